import { errorMessage } from '@shoal/runtime';
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
    since: parseLogTime('since', query['since'] ?? ''),
    until: parseLogTime('until', query['until'] ?? ''),
  };
}

/** Zero is no time to a log. */
function parseLogTime(name: string, text: string): NanoTime | undefined {
  try {
    return text === '0' ? undefined : parseTime(text);
  } catch (error) {
    throw new ApiError(500, `could not parse ${name} timestamp: ${errorMessage(error)}`);
  }
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

const originKeys = {
  node: 'com.docker.swarm.node.id',
  service: 'com.docker.swarm.service.id',
  task: 'com.docker.swarm.task.id',
} as const;

/** Where a line comes from: clients that ask for details need all three. */
export interface LogOrigin {
  readonly nodeId: string;
  readonly serviceId: string;
  readonly taskId: string;
}

/**
 * What the client wants in front of a line: the time, then the details. `attributes` are those that the log
 * driver noted, in the engine's form; who made the container has no say over where it runs.
 */
export function logPrefix(
  time: NanoTime,
  origin: LogOrigin,
  attributes: string,
  options: Pick<LogOptions, 'timestamps' | 'details'>,
): string {
  const stamp = options.timestamps ? `${rfc3339NanoFixed(time)} ` : '';
  return options.details ? `${stamp}${logDetails(origin, attributes)} ` : stamp;
}

function logDetails({ nodeId, serviceId, taskId }: LogOrigin, attributes: string): string {
  const context = [
    `${originKeys.node}=${nodeId}`,
    `${originKeys.service}=${serviceId}`,
    `${originKeys.task}=${taskId}`,
  ];
  if (attributes === '') return context.join(',');
  const reserved = Object.values(originKeys).map((key) => `${key}=`);
  const own = attributes.split(',').filter((pair) => !reserved.some((key) => pair.startsWith(key)));
  return [...own, ...context].sort().join(',');
}

/** A line with its prefix, which is ASCII; in a frame unless the client sees the stream as a terminal does. */
export function logLine(
  stream: LogStreamName | undefined,
  prefix: string,
  line: Uint8Array,
): Buffer {
  const head = stream === undefined ? 0 : headerBytes;
  const bytes = Buffer.allocUnsafe(head + prefix.length + line.length);
  if (stream !== undefined) {
    bytes.writeUInt32BE(logStreams[stream] * 2 ** 24, 0);
    bytes.writeUInt32BE(prefix.length + line.length, 4);
  }
  bytes.write(prefix, head, 'latin1');
  bytes.set(line, head + prefix.length);
  return bytes;
}

/** Swarm's words for lines that could not be had. */
export function logGapWarning(gaps: readonly string[]): string {
  return `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${gaps.join(', ')}\n`;
}
