import { writeSync } from 'node:fs';
import pino from 'pino';
import type { Logger, LogLevel } from '../logger.ts';

/**
 * JSON lines on standard error, each written before the call returns, so that the last words of a
 * dying process are kept. Lines that cannot be written (disk full, reader gone) are dropped: a process
 * does not end for want of a log. The next line that can be written is followed by how many were lost.
 */
export function createLogger(options: {
  readonly process: string;
  readonly level: LogLevel;
  /** File descriptor; standard error when absent. */
  readonly fd?: number;
}): Logger {
  const sink = new LineSink(options.fd ?? 2, (lost) => logger.warn({ lost }, 'log_lines_lost'));
  const logger: Logger = pino(
    {
      level: options.level,
      base: { process: options.process, pid: process.pid },
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    sink,
  );
  return logger;
}

/** Tries at a full pipe before a line is given up. */
const triesMax = 100;

class LineSink {
  readonly #fd: number;
  readonly #tellLost: (lost: number) => void;
  #lost = 0;

  constructor(fd: number, tellLost: (lost: number) => void) {
    this.#fd = fd;
    this.#tellLost = tellLost;
  }

  write(line: string): void {
    const lost = this.#lost;
    if (!this.#writeWhole(Buffer.from(line))) {
      this.#lost += 1;
      return;
    }
    if (lost === 0) return;
    this.#lost = 0;
    this.#tellLost(lost);
  }

  #writeWhole(bytes: Buffer): boolean {
    let written = 0;
    for (let attempt = 0; attempt < triesMax && written < bytes.length; attempt += 1) {
      try {
        written += writeSync(this.#fd, bytes, written);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return false;
      }
    }
    return written === bytes.length;
  }
}
