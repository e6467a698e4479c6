import { type LogError, LogErrorCode, type ProposeResponse } from '@shoal/proto';
import type { LogIndex } from '@shoal/runtime';
import type { LogFailure } from './served-log.ts';

export type Answer = { readonly index: LogIndex } | LogFailure;

const codes = {
  'no-leader': LogErrorCode.NO_LEADER,
  storage: LogErrorCode.STORAGE,
  'too-large': LogErrorCode.TOO_LARGE,
  malformed: LogErrorCode.MALFORMED,
  busy: LogErrorCode.BUSY,
  'unknown-outcome': LogErrorCode.UNKNOWN_OUTCOME,
} as const satisfies Record<LogFailure['code'], LogErrorCode>;

export function responseOf(requestId: number, result: Answer): ProposeResponse {
  if ('index' in result) return { requestId, index: result.index, error: undefined };
  const error = { code: codes[result.code], message: result.message };
  return { requestId, index: 0, error };
}

/** What another voter answered. A code this version does not know may mean anything. */
export function failureOf({ code, message }: LogError): LogFailure {
  const known = (Object.keys(codes) as LogFailure['code'][]).find((name) => codes[name] === code);
  return { kind: 'failed', code: known ?? 'unknown-outcome', message };
}
