import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pause, systemClock } from '@shoal/runtime';
import { logDirectory } from '../host/layout.ts';
import { CommandError, type Terminal } from '../terminal.ts';

const pollMs = 250;
/** Enough for the lines asked for, without reading a whole log. */
const tailBytesMax = 4 * 1024 * 1024;

export interface LogsRequest {
  readonly dataDir: string;
  /** All when absent. */
  readonly process: string | undefined;
  readonly follow: boolean;
  /** Lines from the end of each log. */
  readonly lines: number;
}

/** Prints what the processes said, oldest first; following, it does not end. */
export async function logs(request: LogsRequest, terminal: Terminal): Promise<void> {
  const paths = await logPaths(request);
  const tails = await Promise.all(paths.map((path) => readTail(path, request.lines)));
  const lines = inOrder(tails.map(({ lines }) => lines));
  if (lines.length > 0) terminal.print(lines.join('\n'));
  if (!request.follow) return;
  const positions = new Map(paths.map((path, at) => [path, tails[at]?.end ?? 0]));
  for (;;) {
    await pause(systemClock, pollMs);
    for (const [path, from] of positions) {
      const { text, end } = await readFrom(path, from);
      positions.set(path, end);
      if (text !== '') terminal.print(text);
    }
  }
}

async function logPaths({ dataDir, process }: LogsRequest): Promise<readonly string[]> {
  const directory = logDirectory(dataDir);
  const names = await readdir(directory).catch(() => []);
  const found = names
    .filter((name) => name.endsWith('.log'))
    .filter((name) => process === undefined || basename(name, '.log') === process)
    .map((name) => join(directory, name));
  if (found.length > 0) return found;
  const about = process === undefined ? '' : ` of ${process}`;
  throw new CommandError(`there is no log${about} in ${directory}`);
}

/** Lines of several logs by time. One without a time (of the engine, or of a stack) stays behind the line before it. */
function inOrder(logs: readonly (readonly string[])[]): readonly string[] {
  const timed = logs.flatMap((lines) => {
    let time = '';
    return lines.map((line) => {
      time = timeOf(line) || time;
      return { line, time };
    });
  });
  timed.sort((a, b) => (a.time === b.time ? 0 : a.time < b.time ? -1 : 1));
  return timed.map(({ line }) => line);
}

function timeOf(line: string): string {
  return /"time":"([^"]+)"/.exec(line)?.[1] ?? '';
}

async function readTail(
  path: string,
  lines: number,
): Promise<{ readonly lines: readonly string[]; readonly end: number }> {
  const { size } = await stat(path);
  const { text, end } = await readFrom(path, Math.max(0, size - tailBytesMax));
  return { lines: text.split('\n').filter(Boolean).slice(-lines), end };
}

/** Whole lines from an offset on, and where they end. A log that became shorter was emptied. */
async function readFrom(
  path: string,
  from: number,
): Promise<{ readonly text: string; readonly end: number }> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = size < from ? 0 : from;
    const bytes = Buffer.alloc(Math.min(size - start, tailBytesMax));
    await file.read(bytes, 0, bytes.length, start);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    return { text: bytes.subarray(0, whole).toString(), end: start + whole };
  } finally {
    await file.close();
  }
}
