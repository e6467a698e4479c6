import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OverlayMachine } from '@shoal/e2e/overlay-machine';
import type { NodeNetwork } from '@shoal/overlay';
import { findProgram } from '../balancing/programs.ts';
import { quantile } from '../log/quantile.ts';

/** Containers on each way and round; the first of each way only warms up. */
const containersEach = 8;
const targetRatio = 1.15;
/** First of the addresses that containers get; they do not come twice. */
const firstAddress = 10;

const network: NodeNetwork = {
  id: 'bench',
  name: 'bench',
  internal: false,
  attachable: true,
  ingress: false,
  encrypted: false,
  dataPathPort: 4_789,
  balancerAddresses: [],
  options: {},
  labels: {},
  subnets: [{ subnet: '10.79.0.0/16', gateway: '10.79.0.1', vni: 4_099 }],
};

/** A network of the engine's own bridge driver that somebody made, as others make overlay networks. */
const namedNetwork = 'named';

/** By the engine's first network, by one that was made for it, by ours. */
const startWays = ['bridge', 'named', 'overlay'] as const;
export type StartWay = (typeof startWays)[number];

/** Milliseconds to create and start a container. */
export interface StartTimes {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface StartResult {
  readonly containers: number;
  readonly ways: Readonly<Record<StartWay, StartTimes>>;
  /** Median of ours over those of the engine's bridge driver. */
  readonly ratios: Readonly<Record<Exclude<StartWay, 'overlay'>, number>>;
}

/** One sentence when it cannot be measured here. */
export function startMissing(): string | undefined {
  if (process.getuid?.() !== 0)
    return 'container starts are measured on an engine of their own: run as root';
  return findProgram('dockerd') === undefined
    ? 'install docker.io to measure container starts'
    : undefined;
}

/** Containers in an overlay network and on bridges of the engine's own, in turns, on one engine. */
export async function measureStarts(rounds: number): Promise<StartResult> {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-bench-start-'));
  const machine = await OverlayMachine.start(1, directory, { bridge: true });
  try {
    await machine.agentUp();
    await machine.configure(network);
    await machine.docker('network', 'create', namedNetwork);
    const times: Record<StartWay, number[]> = { bridge: [], named: [], overlay: [] };
    const count = containersEach * rounds;
    for (let at = -1; at < count; at += 1)
      for (const way of at % 2 === 0 ? startWays : [...startWays].reverse()) {
        const ms = await startOne(machine, way, at + 1);
        if (at >= 0) times[way].push(ms);
      }
    const overlay = summed(times.overlay);
    const bridge = summed(times.bridge);
    const named = summed(times.named);
    const ratios = {
      bridge: overlay.median / bridge.median,
      named: overlay.median / named.median,
    };
    return { containers: count, ways: { bridge, named, overlay }, ratios };
  } finally {
    await machine.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function startOne(machine: OverlayMachine, way: StartWay, at: number): Promise<number> {
  const taskId = `${way}${at}`;
  const number = firstAddress + at;
  const address = `10.79.${number >> 8}.${number & 255}/16`;
  const networks = way === 'overlay' ? { [network.id]: [address] } : {};
  const localNetworks = way === 'named' ? [namedNetwork] : [];
  const task = { ...machine.task(taskId, networks), localNetworks };
  const begin = performance.now();
  const refused = await machine.call('run', task);
  const ms = performance.now() - begin;
  if (refused !== '') throw new Error(`${way}: ${refused}`);
  await machine.docker('rm', '--force', `web.1.${taskId}`);
  return ms;
}

function summed(times: readonly number[]): StartTimes {
  const sorted = [...times].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 };
}

/** The result as Markdown. */
export function startTable({ containers, ways, ratios }: StartResult): string {
  const row = (name: string, { median, least, most }: StartTimes, beside: string): string =>
    `| ${name} | ${median.toFixed(0)} (${least.toFixed(0)}–${most.toFixed(0)}) | ${beside} |`;
  const verdict = (ratio: number): string =>
    `${ratio.toFixed(2)}×, ${ratio <= targetRatio ? 'met' : 'missed'}`;
  return [
    `Milliseconds to create and start a container, ${containers} of each in turns on one engine, median (smallest–largest). Target: ≤ ${targetRatio}×.`,
    'In every network but its first one the engine gives a container a resolver, for which it begins itself once more and `iptables` eleven times; the',
    'second row has it as ours has. Ours also has a second interface, the way out.',
    '',
    '| network | ms | ours beside it |',
    '| --- | ---: | ---: |',
    row('the engine’s first bridge, without a resolver', ways.bridge, verdict(ratios.bridge)),
    row('another bridge of the engine', ways.named, verdict(ratios.named)),
    row('overlay, by our driver', ways.overlay, ''),
    '',
  ].join('\n');
}
