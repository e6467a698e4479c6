import { processMicros } from '../balancing/processor-time.ts';
import { quantile } from '../log/quantile.ts';
import { type Latency, latencyAt, questionsPerSecond, type Target } from './dnsperf.ts';
import { addresses, DnsServers } from './servers.ts';

/** Tasks behind the name with many addresses. */
const tasks = 10;
const secondsPerRun = 3;
/** A pace that either server bears with ease, questions per second. */
const pace = 1_000;

interface Side extends Latency {
  readonly perSecond: number;
  /** Microseconds of processors' time that the server takes for a question. */
  readonly micros: number;
}

export interface DnsRow {
  readonly name: string;
  readonly answers: number;
  readonly shoal: Side;
  readonly dnsmasq: Side;
  /** A program on Node's sockets that only answers: what no resolver in it can beat. */
  readonly floor: Side;
  /** Questions per second, ours over theirs. */
  readonly ratio: number;
  readonly ofFloor: number;
}

export interface DnsResult {
  readonly rows: readonly DnsRow[];
}

/** Ours beside dnsmasq, in turns; medians of the rounds. */
export async function measureDns(rounds: number): Promise<DnsResult> {
  const servers = await DnsServers.start(tasks);
  try {
    const rows: DnsRow[] = [];
    for (const [name, answers] of [
      ['web', 1],
      ['tasks.web', tasks],
    ] as const) {
      const questions = servers.questions(name);
      const target = (server: string): Target => {
        return { namespace: servers.namespace, server, client: addresses.client, questions };
      };
      const sides = { ours: [] as Side[], peer: [] as Side[], floor: [] as Side[] };
      for (let round = 0; round < rounds; round += 1) {
        const { ours, peer, floor } = servers.processes;
        sides.ours.push(await measureSide(target(addresses.ours), ours));
        sides.peer.push(await measureSide(target(addresses.peer), peer));
        sides.floor.push(await measureSide(target(addresses.floor), floor));
      }
      const shoal = medians(sides.ours);
      const dnsmasq = medians(sides.peer);
      const floor = medians(sides.floor);
      const ratio = shoal.perSecond / dnsmasq.perSecond;
      const ofFloor = shoal.perSecond / floor.perSecond;
      rows.push({ name, answers, shoal, dnsmasq, floor, ratio, ofFloor });
    }
    return { rows };
  } finally {
    await servers.stop();
  }
}

async function measureSide(target: Target, server: number): Promise<Side> {
  const begun = processMicros(server);
  const perSecond = await questionsPerSecond(target, secondsPerRun);
  const micros = (processMicros(server) - begun) / (perSecond * secondsPerRun);
  return { perSecond, micros, ...(await latencyAt(target, pace, secondsPerRun)) };
}

function medians(runs: readonly Side[]): Side {
  const median = (of: (run: Side) => number): number =>
    quantile(
      runs.map(of).sort((a, b) => a - b),
      0.5,
    );
  return {
    perSecond: median(({ perSecond }) => perSecond),
    micros: median(({ micros }) => micros),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
  };
}

/** The result as Markdown. */
export function dnsTable({ rows }: DnsResult): string {
  const cells = ({ perSecond, micros, p50Ms, p99Ms }: Side): string =>
    `${perSecond.toFixed(0)} | ${micros.toFixed(1)} | ${p50Ms.toFixed(2)} / ${p99Ms.toFixed(2)}`;
  return [
    `Names of services beside dnsmasq, both in one network namespace, asked by dnsperf; latency at ${pace} questions/s. “Node” is a program that answers with bytes made beforehand: what its sockets alone cost. Medians; µs: the server’s own processor time for a question.`,
    '',
    '| name | addresses | questions/s | µs | p50 / p99 ms | dnsmasq’s questions/s | µs | p50 / p99 ms | ratio | Node’s questions/s | µs | p50 / p99 ms | ratio |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(({ name, answers, shoal, dnsmasq, floor, ratio, ofFloor }) => {
      const beside = `${cells(dnsmasq)} | ${ratio.toFixed(2)}×`;
      const alone = `${cells(floor)} | ${ofFloor.toFixed(2)}×`;
      return `| ${name} | ${answers} | ${cells(shoal)} | ${beside} | ${alone} |`;
    }),
    '',
  ].join('\n');
}
