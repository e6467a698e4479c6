import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { formSwarm } from '../managers/swarm.ts';

/** Three managers, each with a scheduler, and a worker. Tests speak to the first, which stays up. */
export interface Swarm {
  readonly fleet: Fleet;
  readonly m1: Machine;
  readonly m2: Machine;
  readonly m3: Machine;
  readonly w1: Machine;
}

/** Every machine has two pretended GPUs to hand out. */
const engineFlags = '--node-generic-resource gpu=one --node-generic-resource gpu=two';

let made: Promise<Swarm> | undefined;

/**
 * The one swarm of the suite, made for the first file that asks; the end of the run removes it. Whoever
 * changes nodes changes them back.
 */
export function sharedSwarm(): Promise<Swarm> {
  made ??= makeSwarm();
  return made;
}

async function makeSwarm(): Promise<Swarm> {
  const fleet = await Fleet.start(['m1', 'm2', 'm3', 'w1'], {
    environment: { HOST_ENGINE_FLAGS: engineFlags },
  });
  const [m1, m2, m3, w1] = fleet.machines as [Machine, Machine, Machine, Machine];
  await formSwarm(fleet);
  return { fleet, m1, m2, m3, w1 };
}
