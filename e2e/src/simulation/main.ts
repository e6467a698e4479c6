/** `shoal simulate`: runs seeds until a number of them, or some hours, are over, or a rule is broken. */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { systemClock } from '@shoal/runtime';
import { runSeeds, type SeedOutcome } from '@shoal/sim';
import { z } from 'zod';
import { simulateControlPlane } from './control-plane.ts';

const hourMs = 3_600_000;
const progressEvery = 100;
const controlPlane = { chaosMs: 10 * 60_000, replicas: 2, agents: 4 } as const;

const schema = z.object({
  seeds: z.coerce.number().int().min(1).default(1_000).describe('how many seeds to run'),
  from: z.coerce.number().int().min(0).optional(),
  hours: z.coerce.number().positive().optional(),
  threads: z.coerce.number().int().min(1).max(256).default(availableParallelism()),
});

const usage = `shoal simulate [--seeds 1000] [--from <seed>] [--hours <h>] [--threads <n>]

Clusters of 3, 5 and 7 voters under faults drawn from a seed; with --hours also whole control planes.
--from   run the seeds from this one on (one seed again: --from <seed> --seeds 1); fresh ones otherwise
--hours  go on with fresh seeds for so long`;

function options(): z.output<typeof schema> {
  try {
    const option = { type: 'string' } as const;
    const { values } = parseArgs({
      options: { seeds: option, from: option, hours: option, threads: option },
    });
    return schema.parse(values);
  } catch (error) {
    console.error(error instanceof z.ZodError ? z.prettifyError(error) : String(error));
    console.error(usage);
    process.exit(2);
  }
}

function* seedsOf({ seeds, from, hours }: z.output<typeof schema>): Generator<number, undefined> {
  const end = systemClock.monotonic() + (hours ?? 0) * hourMs;
  for (let at = 0; hours === undefined ? at < seeds : systemClock.monotonic() < end; at += 1)
    yield from === undefined ? randomInt(2 ** 47) : from + at;
  return undefined;
}

const given = options();
const begin = systemClock.monotonic();
let held = 0;
let acknowledged = 0;
let slowestMs = 0;
const broken: SeedOutcome[] = [];

function note(result: SeedOutcome): 'go-on' | 'stop' {
  const { outcome } = result;
  if (outcome.kind === 'broken') {
    broken.push(result);
    return 'stop';
  }
  held += 1;
  acknowledged += outcome.report.acknowledged;
  slowestMs = Math.max(slowestMs, outcome.report.recoveryMs);
  if (held % progressEvery === 0) console.log(summary());
  return 'go-on';
}

function summary(): string {
  const seconds = ((systemClock.monotonic() - begin) / 1_000).toFixed(1);
  return `${held} seeds held in ${seconds} s: ${acknowledged} acknowledged writes, slowest recovery ${slowestMs} ms`;
}

/** One after the other beside the voters' threads, for as long as the hours last. */
async function controlPlanes(): Promise<void> {
  if (given.hours === undefined) return;
  const end = begin + given.hours * hourMs;
  while (systemClock.monotonic() < end && broken.length === 0)
    await simulateControlPlane({ seed: randomInt(2 ** 47), ...controlPlane });
}

await Promise.all([runSeeds(seedsOf(given), given.threads, note), controlPlanes()]);
console.log(summary());
for (const { seed, outcome } of broken) {
  if (outcome.kind === 'held') continue;
  console.error(outcome.message);
  console.error(`the fewest steps that break it:\n  ${outcome.trace.join('\n  ')}`);
  console.error(`again: ./shoal simulate --from ${seed} --seeds 1`);
}
process.exitCode = broken.length === 0 ? 0 : 1;
