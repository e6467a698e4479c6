import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';

const logLine = z.object({
  level: z.string(),
  event: z.string().optional(),
  reason: z.string().optional().catch(undefined),
  error: z
    .union([z.string(), z.object({ message: z.string() })])
    .optional()
    .catch(undefined),
});

/** Last words are looked for in this much of a log's end. */
const tailBytes = 8 * 1024;
const wordsMax = 500;

/**
 * What a process that died said last, for people: the error in its log, or the last line as it is.
 * `from` is where the log was when the process started; what stands before is of others.
 */
export function lastWords(logPath: string, from = 0): string {
  const lines = readTail(logPath, from)
    .split('\n')
    .filter((line) => line.trim() !== '');
  for (const line of lines.toReversed()) {
    const said = errorIn(line);
    if (said !== undefined) return said.slice(0, wordsMax);
  }
  return '';
}

/** The error of a log line, the text of a line that is no log line, undefined for other log lines. */
function errorIn(line: string): string | undefined {
  try {
    const { level, event = '', reason, error = reason } = logLine.parse(JSON.parse(line));
    if (level !== 'error') return undefined;
    return typeof error === 'object' ? error.message : (error ?? event);
  } catch {
    return line.trim();
  }
}

function readTail(path: string, from: number): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      // A log that became shorter was put aside meanwhile.
      const begin = size < from ? 0 : from;
      const bytes = Buffer.alloc(Math.min(size - begin, tailBytes));
      const read = readSync(file, bytes, 0, bytes.length, size - bytes.length);
      const text = bytes.subarray(0, read).toString();
      // The first line may have lost its beginning.
      return size - begin > tailBytes ? text.slice(text.indexOf('\n') + 1) : text;
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
