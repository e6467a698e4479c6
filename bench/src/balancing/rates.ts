import { quantile } from '../log/quantile.ts';
import { machineMicros, ProcessorTime } from './processor-time.ts';
import { type Way, ways } from './ways.ts';
import type { BalancingWorld } from './world.ts';

/** Seconds that each way is asked for in a round. */
const seconds = 2;
const connections = 32;

export interface Load {
  readonly perSecond: number;
  /** Microseconds of processors' time a request takes: of both ends and the packets between them. */
  readonly micros: number;
  /** Microseconds of all the machine's processors for a request, whatever else they did. */
  readonly machineMicros: number;
}

/** Medians over the rounds. */
export interface Rate {
  readonly way: Way;
  /** Over open connections. */
  readonly kept: Load;
  /** With a connection for each request. */
  readonly anew: Load;
}

/** Every way in each round, so that a busy minute hits all alike. */
export async function measureRates(
  world: BalancingWorld,
  rounds: number,
): Promise<readonly Rate[]> {
  const time = new ProcessorTime(world.servers);
  const found = ways.map((way) => ({ way, kept: [] as Load[], anew: [] as Load[] }));
  for (let round = 0; round < rounds; round += 1) {
    // Another way first each time: what comes first finds the machine cold.
    const first = round % found.length;
    for (const { way, kept, anew } of [...found.slice(first), ...found.slice(0, first)]) {
      kept.push(await load(world, time, way, []));
      anew.push(await load(world, time, way, ['-H', 'Connection: close']));
    }
  }
  return found.map(({ way, kept, anew }) => ({ way, kept: medians(kept), anew: medians(anew) }));
}

async function load(
  { world }: BalancingWorld,
  time: ProcessorTime,
  { name, from, url }: Way,
  more: readonly string[],
): Promise<Load> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, ...more, url];
  const own = time.micros();
  const machine = machineMicros();
  const said = await world.kernel(world.topology.path(from), 'wrk', ...args);
  const requests = Number(/(\d+) requests in/.exec(said)?.[1] ?? '0');
  if (requests === 0) throw new Error(`${name}: nothing was answered\n${said}`);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1]),
    micros: (time.micros() - own) / requests,
    machineMicros: (machineMicros() - machine) / requests,
  };
}

function medians(loads: readonly Load[]): Load {
  const median = (of: (load: Load) => number): number =>
    quantile(
      loads.map(of).sort((a, b) => a - b),
      0.5,
    );
  return {
    perSecond: median(({ perSecond }) => perSecond),
    micros: median(({ micros }) => micros),
    machineMicros: median((load) => load.machineMicros),
  };
}
