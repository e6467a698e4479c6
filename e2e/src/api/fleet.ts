import { afterEach, beforeAll, beforeEach } from 'vitest';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { formSwarm } from '../managers/swarm.ts';
import { order, removeServices } from '../scheduling/services.ts';

/** Three managers and a worker. Tests speak to any manager; who takes a node away brings it back. */
export interface Swarm {
  readonly fleet: Fleet;
  readonly m1: Machine;
  readonly m2: Machine;
  readonly m3: Machine;
  readonly w1: Machine;
}

let made: Promise<Swarm> | undefined;

/** The one swarm of the suite, made for the first file that asks; the end of the run removes it. */
export function sharedSwarm(): Promise<Swarm> {
  made ??= makeSwarm();
  return made;
}

async function makeSwarm(): Promise<Swarm> {
  const fleet = await Fleet.start(['m1', 'm2', 'm3', 'w1']);
  await formSwarm(fleet);
  return swarmOf(fleet);
}

/** The machines of a fleet by their names. */
export function swarmOf(fleet: Fleet): Swarm {
  const [m1, m2, m3, w1] = fleet.machines as [Machine, Machine, Machine, Machine];
  return { fleet, m1, m2, m3, w1 };
}

/**
 * The shared swarm for the tests of a file. Each test leaves nothing behind: services, networks of the
 * swarm, secrets and configs are removed for it.
 */
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
  afterEach(() => tidy(get().m1));
  return get;
}

/** The docker CLI on Shoal's socket of the machine, which must succeed; gives standard output. */
export function docker(machine: Machine, ...args: readonly string[]): Promise<string> {
  return machine.docker(...args);
}

/** Shoal's socket of the machine, as clients take it from `DOCKER_HOST`. */
export function dockerHost(machine: Machine): string {
  return `unix://${machine.socket}`;
}

/** Takes away what the swarm of this manager was asked to keep. */
export async function tidy(manager: Machine): Promise<void> {
  await removeServices(manager);
  const overlays = ['--filter', 'driver=overlay', '--filter', 'type=custom'];
  const networks = await manager.docker('network', 'ls', '--format', '{{.Name}}', ...overlays);
  await removeAll(
    manager,
    'network',
    lines(networks).filter((name) => name !== 'ingress'),
  );
  for (const kind of ['secret', 'config'])
    await removeAll(manager, kind, lines(await manager.docker(kind, 'ls', '--quiet')));
}

async function removeAll(manager: Machine, kind: string, names: readonly string[]): Promise<void> {
  if (names.length > 0) await order(manager, kind, 'rm', ...names);
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
