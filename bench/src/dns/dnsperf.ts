import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { quantile } from '../log/quantile.ts';

/** Questions under way at once, and clients that they are spread over. */
const outstanding = 64;
const clients = 8;
/** Longest output of a paced run, bytes: a line for each question. */
const outputBytesMax = 64 * 1024 * 1024;

/** Where to ask, and from where. */
export interface Target {
  /** Name of the network namespace. */
  readonly namespace: string;
  readonly server: string;
  readonly client: string;
  /** Path of a file with questions. */
  readonly questions: string;
}

/** As many questions as are answered: per second. */
export async function questionsPerSecond(target: Target, seconds: number): Promise<number> {
  const load = ['-q', `${outstanding}`, '-c', `${clients}`];
  const out = await dnsperf(target, seconds, load);
  const found = /Queries per second:\s+([\d.]+)/.exec(out)?.[1];
  if (found === undefined) throw new Error(`dnsperf gave no rate:\n${out}`);
  return Number(found);
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** How long answers take at a pace that leaves the server room. */
export async function latencyAt(
  target: Target,
  perSecond: number,
  seconds: number,
): Promise<Latency> {
  const out = await dnsperf(target, seconds, ['-Q', `${perSecond}`, '-c', `${clients}`, '-v']);
  const times = [...out.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)$/gm)].map(([, s]) => Number(s));
  if (times.length < (perSecond * seconds) / 2) {
    throw new Error(`only ${times.length} answers of ${perSecond * seconds}`);
  }
  times.sort((a, b) => a - b);
  return { p50Ms: 1_000 * quantile(times, 0.5), p99Ms: 1_000 * quantile(times, 0.99) };
}

async function dnsperf(
  { namespace, server, client, questions }: Target,
  seconds: number,
  load: readonly string[],
): Promise<string> {
  const whom = ['-s', server, '-a', client, '-d', questions, '-l', `${seconds}`];
  const args = [`--net=/run/netns/${namespace}`, 'dnsperf', ...whom, ...load];
  const { stdout } = await promisify(execFile)('nsenter', args, { maxBuffer: outputBytesMax });
  return stdout;
}
