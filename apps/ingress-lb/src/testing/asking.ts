import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { servedDigest } from '@shoal/overlay';
import type { Tally } from './peer.ts';
import { hostNames, taskNames } from './topology.ts';
import { publishedPort, targetPort, type World } from './world.ts';

/** What both backends must do. Each case begins with all four tasks serving. */
export interface Case {
  readonly name: string;
  /** Programs in tasks and clients need sockets of it. */
  readonly needs?: 'sctp';
  /** Asks as often where machines are emulated. */
  readonly isWhole?: true;
  /** Times that a case asks; smaller where the machine is emulated. */
  run(world: World, scale: number): Promise<void>;
}

/** Share by which a task may have more or less than its part. */
const unevenMax = 0.05;

export function assertEven(tally: Tally, names: readonly string[] = taskNames): void {
  deepStrictEqual(tally.errors, {});
  const total = Object.values(tally.names).reduce((sum, count) => sum + count, 0);
  const fair = total / names.length;
  for (const name of names) {
    const count = tally.names[name] ?? 0;
    ok(Math.abs(count - fair) <= Math.max(1, fair * unevenMax), `uneven: ${JSON.stringify(tally)}`);
  }
  deepStrictEqual(Object.keys(tally.names).sort(), [...names].sort());
}

/** Tasks saw clients of these addresses and of no others. */
export function assertSources(tally: Tally, ...addresses: readonly string[]): void {
  deepStrictEqual(Object.keys(tally.sources).sort(), addresses.toSorted(), JSON.stringify(tally));
}

export function isTask(name: string): boolean {
  return taskNames.some((each) => each === name);
}

export const ask = (world: World, times: number, family: 4 | 6 = 4) =>
  world.peer('client').call('ask', { host: world.virtualIp(family), port: targetPort, times });

export const askPublished = (world: World, from: string, host: string, times: number) =>
  world.peer(from).call('ask', { host, port: publishedPort, times });

export async function assertDigests(world: World): Promise<void> {
  for (const host of hostNames) {
    for (const { networkId, digest, problems } of world.balancer(host).served()) {
      const network = networkId === 'demo' ? 'demo' : 'ingress';
      strictEqual(digest, servedDigest(world.records(host, network), 'balancer'));
      deepStrictEqual(problems, []);
    }
  }
}
