import { type Latency, latencyAt, questionsPerSecond, type Target } from './dnsperf.ts';
import { addresses, DnsServers } from './servers.ts';

/** Tasks behind the name with many addresses. */
const tasks = 10;
const secondsPerRun = 3;
/** A pace that either server bears with ease, questions per second. */
const pace = 1_000;

interface Side extends Latency {
  readonly perSecond: number;
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

/** Ours beside dnsmasq, in turns; of several rounds the best of each counts. */
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
        sides.ours.push(await measureSide(target(addresses.ours)));
        sides.peer.push(await measureSide(target(addresses.peer)));
        sides.floor.push(await measureSide(target(addresses.floor)));
      }
      const [shoal, dnsmasq] = [best(sides.ours), best(sides.peer)];
      const floor = best(sides.floor);
      const ratio = shoal.perSecond / dnsmasq.perSecond;
      const ofFloor = shoal.perSecond / floor.perSecond;
      rows.push({ name, answers, shoal, dnsmasq, floor, ratio, ofFloor });
    }
    return { rows };
  } finally {
    await servers.stop();
  }
}

async function measureSide(target: Target): Promise<Side> {
  const perSecond = await questionsPerSecond(target, secondsPerRun);
  return { perSecond, ...(await latencyAt(target, pace, secondsPerRun)) };
}

function best(runs: readonly Side[]): Side {
  return {
    perSecond: Math.max(...runs.map((run) => run.perSecond)),
    p50Ms: Math.min(...runs.map((run) => run.p50Ms)),
    p99Ms: Math.min(...runs.map((run) => run.p99Ms)),
  };
}

/** The result as Markdown. */
export function dnsTable({ rows }: DnsResult): string {
  const cells = ({ perSecond, p50Ms, p99Ms }: Side): string =>
    `${perSecond.toFixed(0)} | ${p50Ms.toFixed(2)} / ${p99Ms.toFixed(2)}`;
  return [
    `Names of services beside dnsmasq, both in one network namespace, asked by dnsperf; latency at ${pace} questions/s. “Node” is a program that answers with bytes made beforehand: what its sockets alone cost.`,
    '',
    '| name | addresses | questions/s | p50 / p99 ms | dnsmasq’s questions/s | p50 / p99 ms | ratio | Node’s questions/s | p50 / p99 ms | ratio |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(({ name, answers, shoal, dnsmasq, floor, ratio, ofFloor }) => {
      const beside = `${cells(dnsmasq)} | ${ratio.toFixed(2)}×`;
      const alone = `${cells(floor)} | ${ofFloor.toFixed(2)}×`;
      return `| ${name} | ${answers} | ${cells(shoal)} | ${beside} | ${alone} |`;
    }),
    '',
  ].join('\n');
}
