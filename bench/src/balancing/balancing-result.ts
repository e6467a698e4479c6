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
  const [direct] = rates;
  const cells = (rate: Rate, load: 'kept' | 'anew'): string => {
    const same = rates.find(({ way }) => way.name === rate.way.sameHops);
    const beside = (other: Rate | undefined): string =>
      other === undefined ? '' : (rate[load].perSecond / other[load].perSecond).toFixed(2);
    const { perSecond, micros } = rate[load];
    return `${perSecond.toFixed(0)} | ${micros.toFixed(0)} | ${beside(direct)} | ${beside(same)}`;
  };
  return [
    `Requests a second to one nginx on another host, 32 connections, nftables; medians of ${rounds} rounds in turns. µs: processors’ time a request takes, of client, server and all packets between them. Beside the direct way, and beside the way without balancing over the same devices.`,
    '',
    '| way | connections kept | µs | × direct | × same hops | a connection each | µs | × direct | × same hops |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rates.map(
      (rate) => `| ${rate.way.name} | ${cells(rate, 'kept')} | ${cells(rate, 'anew')} |`,
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
