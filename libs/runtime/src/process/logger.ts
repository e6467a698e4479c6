import pino from 'pino';
import type { Logger, LogLevel } from '../logger.ts';

/**
 * JSON lines on standard error, each written before the call returns, so that the last words of a
 * dying process are kept.
 */
export function createLogger(options: {
  readonly process: string;
  readonly level: LogLevel;
  /** File descriptor; standard error when absent. */
  readonly fd?: number;
}): Logger {
  return pino(
    {
      level: options.level,
      base: { process: options.process, pid: process.pid },
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
    },
    pino.destination({ fd: options.fd ?? 2, sync: true }),
  );
}
