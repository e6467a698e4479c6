import { type Applying, measureApplying } from './applying.ts';
import { measureRates, type Rate } from './rates.ts';
import { startWorld } from './world.ts';

export interface BalancingResult {
  readonly rounds: number;
  readonly rates: readonly Rate[];
  readonly applying: readonly Applying[];
}

export async function measureBalancing(rounds: number): Promise<BalancingResult> {
  const world = await startWorld();
  try {
    const rates = await measureRates(world, rounds);
    return { rounds, rates, applying: await measureApplying(rounds) };
  } finally {
    await world.close();
  }
}

export function balancingTable({ rounds, rates, applying }: BalancingResult): string {
  const direct = rates[0];
  const share = (value: number, of: number | undefined): string =>
    `${Math.round(value)} (${(value / (of ?? value)).toFixed(2)})`;
  return [
    `Requests a second to one nginx on another host, 32 connections, nftables; in brackets beside the direct way. Best of ${rounds} rounds.`,
    '',
    '| way | connections kept | a connection each |',
    '| --- | ---: | ---: |',
    ...rates.map(
      ({ way, kept, anew }) =>
        `| ${way} | ${share(kept, direct?.kept)} | ${share(anew, direct?.anew)} |`,
    ),
    '',
    'Milliseconds to write a namespace by nftables, ten backends a service.',
    '',
    '| services | all | one of them | read back |',
    '| ---: | ---: | ---: | ---: |',
    ...applying.map(
      ({ services, whole, one, read }) =>
        `| ${services} | ${whole.toFixed(0)} | ${one.toFixed(0)} | ${read.toFixed(0)} |`,
    ),
    '',
  ].join('\n');
}
