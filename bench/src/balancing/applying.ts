import {
  type Balancing,
  emptyBalancing,
  nftablesBackend,
  type VirtualServer,
} from '@shoal/ingress-lb/testing';
import { kernelCommands } from '@shoal/overlay/kernel';

export interface Applying {
  readonly services: number;
  /** Milliseconds, the best of the rounds: all into an empty namespace, one of them changed, all read back. */
  readonly whole: number;
  readonly one: number;
  readonly read: number;
}

const serviceCounts = [1, 100, 1_000] as const;
const backendsEach = 10;

/** `services` services of ten backends each; the one numbered `left` has one less. */
function balancingOf(services: number, left?: number): Balancing {
  const servers = new Map<string, VirtualServer>();
  for (let at = 0; at < services; at += 1) {
    const address = `10.${100 + (at >> 8)}.${at & 255}.2`;
    const count = at === left ? backendsEach - 1 : backendsEach;
    const backends = Array.from({ length: count }, (_, task) => ({
      address: `10.${100 + (at >> 8)}.${at & 255}.${11 + task}`,
      port: 0,
      open: true,
    }));
    servers.set(address, {
      front: { kind: 'address', address },
      label: `service${at}`,
      schedule: 'rr',
      backends,
    });
  }
  return { ...emptyBalancing, source: { v4: '10.99.0.1' }, servers };
}

export async function measureApplying(rounds: number): Promise<readonly Applying[]> {
  const commands = kernelCommands();
  const backend = nftablesBackend(commands);
  const name = `bncha${process.pid}`;
  const namespace = `/run/netns/${name}`;
  await commands.run({ program: 'ip', args: ['netns', 'add', name] });
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const begin = performance.now();
    await work();
    return performance.now() - begin;
  };
  try {
    const rows: Applying[] = [];
    for (const services of serviceCounts) {
      const all = balancingOf(services);
      const less = balancingOf(services, 0);
      const whole: number[] = [];
      const one: number[] = [];
      const read: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        await backend.clear(namespace);
        whole.push(await timed(() => backend.apply(namespace, undefined, all)));
        one.push(await timed(() => backend.apply(namespace, all, less)));
        read.push(await timed(() => backend.read(namespace, less)));
      }
      rows.push({
        services,
        whole: Math.min(...whole),
        one: Math.min(...one),
        read: Math.min(...read),
      });
    }
    return rows;
  } finally {
    await commands.run({ program: 'ip', args: ['netns', 'del', name] });
  }
}
