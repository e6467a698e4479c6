export { auditDirectory } from './audit-directory.ts';
export {
  type AuditFound,
  type AuditGap,
  type AuditVerdict,
  readAudit,
  verifyAudit,
} from './read-audit.ts';
