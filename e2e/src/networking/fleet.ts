import { afterEach, beforeAll, beforeEach } from 'vitest';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { formSwarm } from '../managers/swarm.ts';
import { order, removeServices } from '../scheduling/services.ts';

/** A manager and two workers. Tests speak to the manager, which stays up. */
export interface Swarm {
  readonly fleet: Fleet;
  readonly m1: Machine;
  readonly w1: Machine;
  readonly w2: Machine;
}

let made: Promise<Swarm> | undefined;

/** The one swarm of the suite, made for the first file that asks; the end of the run removes it. */
function sharedSwarm(): Promise<Swarm> {
  made ??= makeSwarm();
  return made;
}

async function makeSwarm(): Promise<Swarm> {
  const fleet = await Fleet.start(['m1', 'w1', 'w2']);
  const [m1, w1, w2] = fleet.machines as [Machine, Machine, Machine];
  await formSwarm(fleet);
  return { fleet, m1, w1, w2 };
}

/** The shared swarm for the tests of a file: each test leaves neither services nor networks behind. */
export function useSwarm(): () => Swarm {
  let swarm: Swarm | undefined;
  const get = (): Swarm => {
    if (swarm === undefined) throw new Error('the swarm is there once a test runs');
    return swarm;
  };
  beforeAll(async () => {
    swarm = await sharedSwarm();
  });
  beforeEach(() => get().fleet.explainFailure());
  afterEach(async () => {
    await removeServices(get().m1);
    await removeNetworks(get().m1);
  });
  return get;
}

async function removeNetworks(machine: Machine): Promise<void> {
  const filters = ['--filter', 'driver=overlay', '--filter', 'type=custom'];
  const names = await machine.docker('network', 'ls', '--format', '{{.Name}}', ...filters);
  const ours = names.split('\n').filter((name) => name !== '' && name !== 'ingress');
  if (ours.length > 0) await order(machine, 'network', 'rm', ...ours);
}
