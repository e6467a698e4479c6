import { invariant } from '@shoal/runtime';
import { GossipSimulation } from './simulation.ts';

/** How gossip fares in a cluster of one size. */
export interface GossipGrowth {
  readonly hosts: number;
  /** From the publication of a record until every host shows it, simulated milliseconds; on average. */
  readonly convergenceMs: number;
  /** Longest time until a record was shown by every host, simulated milliseconds. */
  readonly slowestMs: number;
  /** What a host sends while nothing changes. */
  readonly quietBytesPerSecond: number;
  /** What a host sends while one record in the cluster changes each second. */
  readonly busyBytesPerSecond: number;
}

const network = 'net';
const meetMsMax = 120_000;
const convergeMsMax = 10_000;
/** Until what the beginning has stirred up is over. */
const restMs = 60_000;
const quietMs = 60_000;
const changes = 20;
const changeEveryMs = 1_000;
/** About the size of an endpoint record, bytes. */
const valueBytes = 500;

/** Measures a cluster of so many hosts, all in one network, on a wire that loses nothing. */
export async function measureGossip(hosts: number, seed = hosts): Promise<GossipGrowth> {
  const simulation = new GossipSimulation(seed);
  for (let at = 0; at < hosts; at += 1) simulation.add(`n${at}`, at === 0 ? undefined : 'n0');
  for (const id of simulation.hosts.keys()) simulation.join(id, network);
  const met = await simulation.untilAgreed(meetMsMax);
  invariant(met !== undefined, 'hosts find each other while nothing is wrong', { hosts });
  await simulation.clock.run(restMs);
  const quiet = await bytesDuring(simulation, () => simulation.clock.run(quietMs));
  const took: number[] = [];
  const busy = await bytesDuring(simulation, async () => {
    for (let change = 0; change < changes; change += 1)
      took.push(await converge(simulation, change));
  });
  const perSecond = (bytes: number, ms: number): number => Math.round((bytes / hosts / ms) * 1_000);
  return {
    hosts,
    convergenceMs: Math.round(took.reduce((sum, ms) => sum + ms, 0) / changes),
    slowestMs: Math.max(...took),
    quietBytesPerSecond: perSecond(quiet, quietMs),
    busyBytesPerSecond: perSecond(busy, changes * changeEveryMs),
  };
}

async function bytesDuring(
  simulation: GossipSimulation,
  act: () => Promise<unknown>,
): Promise<number> {
  const before = simulation.bytesSent;
  await act();
  return simulation.bytesSent - before;
}

/** Publishes a record on some host; milliseconds until all show it. Takes {@link changeEveryMs} or longer. */
async function converge(simulation: GossipSimulation, change: number): Promise<number> {
  const ids = [...simulation.hosts.keys()];
  const owner = simulation.random.pick(ids) ?? 'n0';
  const value = `${change}`.padEnd(valueBytes, '.');
  const begin = simulation.clock.monotonic();
  simulation.put(owner, network, 'record', value);
  const took = await simulation.until(convergeMsMax, () =>
    ids.every((id) => simulation.shows(id, network, owner, 'record', value)),
  );
  invariant(took !== undefined, 'a record reaches all hosts while nothing is wrong', { change });
  await simulation.clock.run(Math.max(0, begin + changeEveryMs - simulation.clock.monotonic()));
  return took;
}
