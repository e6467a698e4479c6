import { ApiError, apiErrors } from './errors.ts';
import { type NanoTime, parseTime, rfc3339NanoFixed } from './time.ts';
import { type ApiVersion, isOlder } from './version.ts';

const headerBytes = 8;
export const logStreams = { stdout: 1, stderr: 2, system: 3 } as const;
export type LogStreamName = keyof typeof logStreams;

/** What a client asked of a log. */
export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Lines from the end of each task; -1 for all. */
  readonly tail: number;
  readonly since: NanoTime | undefined;
  readonly until: NanoTime | undefined;
}

/** Go's reading of a boolean query value. */
export function isTrue(value: string | undefined): boolean {
  const text = value?.trim().toLowerCase() ?? '';
  return !['', '0', 'no', 'false', 'none'].includes(text);
}

/** @throws ApiError 500 in Docker's words. */
export function parseLogOptions(query: Readonly<Record<string, string | undefined>>): LogOptions {
  const stdout = isTrue(query['stdout']);
  const stderr = isTrue(query['stderr']);
  if (!stdout && !stderr) throw apiErrors.noStream();
  return {
    stdout,
    stderr,
    follow: isTrue(query['follow']),
    timestamps: isTrue(query['timestamps']),
    details: isTrue(query['details']),
    tail: parseTail(query['tail'] ?? ''),
    since: parseTime(query['since'] ?? ''),
    until: parseTime(query['until'] ?? ''),
  };
}

function parseTail(text: string): number {
  if (text === '' || text === 'all') return -1;
  if (/^-\d+$/.test(text)) throw apiErrors.negativeTail();
  if (!/^\+?\d+$/.test(text)) throw apiErrors.badTail();
  const tail = Number(text);
  if (!Number.isSafeInteger(tail)) throw new ApiError(500, apiErrors.badTail().message);
  return tail;
}

/** How a log is put on the wire for a client of this version. */
export function logContentType(version: ApiVersion, tty: boolean): string {
  return tty || isOlder(version, { major: 1, minor: 42 })
    ? 'application/vnd.docker.raw-stream'
    : 'application/vnd.docker.multiplexed-stream';
}

/** One frame: the stream, the length, and exactly one line. */
export function logFrame(stream: LogStreamName, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  frame.writeUInt32BE(logStreams[stream] * 2 ** 24, 0);
  frame.writeUInt32BE(payload.length, 4);
  frame.set(payload, headerBytes);
  return frame;
}

export interface LogOrigin {
  readonly nodeId: string;
  readonly serviceId: string;
  readonly taskId: string;
}

/** A line with what the client wants in front of it: the time, then where it comes from. */
export function logPayload(
  line: Uint8Array,
  time: NanoTime,
  origin: LogOrigin,
  options: Pick<LogOptions, 'timestamps' | 'details'>,
): Buffer {
  const stamp = options.timestamps ? `${rfc3339NanoFixed(time)} ` : '';
  const details = options.details
    ? `com.docker.swarm.node.id=${origin.nodeId},com.docker.swarm.service.id=${origin.serviceId},com.docker.swarm.task.id=${origin.taskId} `
    : '';
  return Buffer.concat([Buffer.from(stamp + details), line]);
}

/** Swarm's words for lines that could not be had. */
export function logGapWarning(gaps: readonly string[]): string {
  return `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${gaps.join(', ')}\n`;
}
