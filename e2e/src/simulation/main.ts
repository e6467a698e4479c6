/** `shoal simulate`: runs seeds until a number of them, or some hours, are over, or a rule is broken. */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { systemClock } from '@shoal/runtime';
import {
  type ControlPlaneOutcome,
  type GossipOutcome,
  gossipThread,
  measureGossip,
  runSeeds,
  type SeedOutcome,
  type VotersOutcome,
} from '@shoal/sim';
import { z } from 'zod';
import { controlPlaneThread } from './control-plane.ts';
import { type NetworksOutcome, networksThread } from './networks/index.ts';

const hourMs = 3_600_000;
const progressEvery = { voters: 100, 'control-plane': 10, gossip: 50, networks: 20 } as const;

const schema = z.object({
  of: z
    .enum(['voters', 'control-plane', 'gossip', 'networks', 'all'])
    .default('all')
    .describe('what to simulate'),
  seeds: z.coerce.number().int().min(1).default(1_000).describe('how many seeds to run of each'),
  from: z.coerce.number().int().min(0).optional(),
  hours: z.coerce.number().positive().optional(),
  threads: z.coerce.number().int().min(1).max(256).default(availableParallelism()),
  hosts: z
    .string()
    .transform((list) => list.split(',').map(Number))
    .pipe(z.array(z.number().int().min(2).max(1_000)))
    .optional(),
});

const usage = `shoal simulate [--of voters|control-plane|gossip|networks|all] [--seeds 1000] [--from <seed>] [--hours <h>] [--threads <n>]
       shoal simulate --of gossip --hosts 10,30,100,300,1000

voters         clusters of 3, 5 and 7 voters under faults drawn from a seed
control-plane  all stages, with 1, 2, 4 and 8 schedulers, under users and faults drawn from a seed
gossip         3 to 20 hosts that publish endpoints, under faults drawn from a seed
networks       2 to 6 hosts with tasks in networks, their dispatchers and all stages, under faults drawn from a seed
--from   run the seeds from this one on (one seed again: --of <what> --from <seed> --seeds 1); fresh ones otherwise
--hours  go on with fresh seeds for so long
--hosts  instead of seeds: how long a record takes, and what hosts send, in clusters of these sizes`;

type What = 'voters' | 'control-plane' | 'gossip' | 'networks';
type Outcome = VotersOutcome | ControlPlaneOutcome | GossipOutcome | NetworksOutcome;

function options(): z.output<typeof schema> {
  try {
    const option = { type: 'string' } as const;
    const { values } = parseArgs({
      options: {
        ...{ of: option, seeds: option, from: option, hours: option },
        ...{ threads: option, hosts: option },
      },
    });
    return schema.parse(values);
  } catch (error) {
    console.error(error instanceof z.ZodError ? z.prettifyError(error) : String(error));
    console.error(usage);
    process.exit(2);
  }
}

const given = options();
const begin = systemClock.monotonic();
let broken: { readonly what: What; readonly result: SeedOutcome<Outcome> } | undefined;

function* seedsOf({ seeds, from, hours }: typeof given): Generator<number, undefined> {
  const end = begin + (hours ?? 0) * hourMs;
  const goesOn = (at: number): boolean =>
    hours === undefined ? at < seeds : systemClock.monotonic() < end;
  for (let at = 0; broken === undefined && goesOn(at); at += 1)
    yield from === undefined ? randomInt(2 ** 47) : from + at;
  return undefined;
}

async function simulate(what: What, threads: number): Promise<void> {
  let held = 0;
  let slowestMs = 0;
  const summary = (): string => {
    const seconds = ((systemClock.monotonic() - begin) / 1_000).toFixed(1);
    return `${what}: ${held} seeds held in ${seconds} s, slowest recovery ${slowestMs} ms`;
  };
  const heard = (result: SeedOutcome<Outcome>): 'go-on' | 'stop' => {
    const { outcome } = result;
    if (outcome.kind === 'broken') {
      broken = { what, result };
      return 'stop';
    }
    held += 1;
    slowestMs = Math.max(slowestMs, outcome.report.recoveryMs);
    if (held % progressEvery[what] === 0) console.log(summary());
    return 'go-on';
  };
  if (what === 'voters') await runSeeds<VotersOutcome>(seedsOf(given), threads, heard);
  else if (what === 'gossip')
    await runSeeds<GossipOutcome>(seedsOf(given), threads, heard, gossipThread);
  else if (what === 'networks')
    await runSeeds<NetworksOutcome>(seedsOf(given), threads, heard, networksThread);
  else await runSeeds<ControlPlaneOutcome>(seedsOf(given), threads, heard, controlPlaneThread);
  console.log(summary());
}

async function measure(sizes: readonly number[]): Promise<void> {
  for (const hosts of sizes) {
    const { convergenceMs, slowestMs, quietBytesPerSecond, busyBytesPerSecond } =
      await measureGossip(hosts);
    const time = `a record is everywhere after ${convergenceMs} ms, ${slowestMs} ms at most`;
    const traffic = `${quietBytesPerSecond} B/s a host at rest, ${busyBytesPerSecond} with a change a second`;
    console.log(`${hosts} hosts: ${time}; ${traffic}`);
  }
}

if (given.hosts !== undefined) await measure(given.hosts);
else if (given.of === 'all') {
  const all = ['voters', 'control-plane', 'gossip', 'networks'] as const;
  // The same share of the threads each, and one at least.
  const threads = Math.max(1, Math.floor(given.threads / all.length));
  await Promise.all(all.map((what) => simulate(what, threads)));
} else await simulate(given.of, given.threads);

if (broken?.result.outcome.kind === 'broken') {
  const { seed, outcome } = broken.result;
  console.error(outcome.message);
  console.error(`the fewest steps that break it:\n  ${outcome.trace.join('\n  ')}`);
  console.error(`again: ./shoal simulate --of ${broken.what} --from ${seed} --seeds 1`);
  process.exitCode = 1;
}
