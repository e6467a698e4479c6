import { publishedPort } from '@shoal/ingress-lb/testing';
import { type BalancingWorld, proxyPort, serverPort } from './world.ts';

/** Seconds that each way is asked for. */
const seconds = 3;
const connections = 32;

/** A way from a client to the one task. */
export interface Way {
  readonly name: string;
  readonly from: 'client' | 'outside';
  readonly url: string;
}

export const ways: readonly Way[] = [
  { name: 'direct, over the tunnel', from: 'client', url: `http://10.77.1.21:${serverPort}/` },
  { name: 'virtual address', from: 'client', url: `http://10.77.1.2:${serverPort}/` },
  { name: 'haproxy', from: 'client', url: `http://10.77.1.241:${proxyPort}/` },
  {
    name: 'published port, host with the task',
    from: 'outside',
    url: `http://10.201.77.2:${publishedPort}/`,
  },
  {
    name: 'published port, other host',
    from: 'outside',
    url: `http://10.201.77.1:${publishedPort}/`,
  },
];

export interface Rate {
  readonly way: string;
  /** Requests a second over open connections, the best of the rounds. */
  readonly kept: number;
  /** With a connection for each request. */
  readonly anew: number;
}

/** Every way in each round, so that a busy minute hits all alike. */
export async function measureRates(
  { world }: BalancingWorld,
  rounds: number,
): Promise<readonly Rate[]> {
  const found = ways.map((way) => ({ way, kept: [] as number[], anew: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    // Another way first each time: what comes first finds the machine cold.
    const first = round % found.length;
    for (const { way, kept, anew } of [...found.slice(first), ...found.slice(0, first)]) {
      kept.push(await rate(world, way, []));
      anew.push(await rate(world, way, ['-H', 'Connection: close']));
    }
  }
  return found.map(({ way, kept, anew }) => ({
    way: way.name,
    kept: Math.max(...kept),
    anew: Math.max(...anew),
  }));
}

async function rate(
  world: BalancingWorld['world'],
  { from, url }: Way,
  more: readonly string[],
): Promise<number> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, ...more, url];
  const said = await world.kernel(world.topology.path(from), 'wrk', ...args);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1] ?? '0');
}
