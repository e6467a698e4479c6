export type { AdminRecord, AdminServer, Health, HealthReport } from './admin.ts';
export { publishAdmin, startAdmin } from './admin.ts';
export {
  type ConfigOutcome,
  type ConfigSources,
  flagName,
  hostPort,
  parseConfig,
} from './config.ts';
export { createLogger } from './logger.ts';
export { nodeEnvironment, nodeFlags } from './node-flags.ts';
export {
  adminPorts,
  type CommonConfig,
  exitSoftware,
  exitUsage,
  type ProcessContext,
  type ProcessDefinition,
  type Running,
  runProcess,
  stopMsMax,
} from './run.ts';
export { freeSocketPath, SocketServedError } from './unix-socket.ts';
