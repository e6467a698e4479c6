import { eventually } from '../host/wait.ts';
import type { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';

/** What `docker node ls` says of one node. */
export interface NodeRow {
  readonly hostname: string;
  readonly status: string;
  readonly availability: string;
  /** `Leader`, `Reachable`, `Unreachable`; empty for workers. */
  readonly manager: string;
}

export async function nodeRows(machine: Machine): Promise<readonly NodeRow[]> {
  const format = '{{.Hostname}}|{{.Status}}|{{.Availability}}|{{.ManagerStatus}}';
  const out = await machine.docker('node', 'ls', '--format', format);
  return out
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => {
      const [hostname = '', status = '', availability = '', manager = ''] = row.split('|');
      return { hostname, status, availability, manager };
    });
}

/** What `machine` says of the node with that host name. */
export async function nodeRow(machine: Machine, hostname: string): Promise<NodeRow> {
  const found = (await nodeRows(machine)).find((row) => row.hostname === hostname);
  if (found === undefined) throw new Error(`${machine.name} knows no node ${hostname}`);
  return found;
}

export function joinToken(machine: Machine, role: 'worker' | 'manager'): Promise<string> {
  return machine.docker('swarm', 'join-token', '--quiet', role).then((token) => token.trim());
}

export function clusterAddress(machine: Machine): string {
  return `${machine.address}:2377`;
}

/** Joins `machine` to the swarm of `manager`; gives what the CLI says. */
export async function join(
  machine: Machine,
  manager: Machine,
  role: 'worker' | 'manager',
): Promise<string> {
  const token = await joinToken(manager, role);
  return machine.docker('swarm', 'join', '--token', token, clusterAddress(manager));
}

/** A swarm of all machines of the fleet: those named m… are managers, the first of them made it. */
export async function formSwarm(fleet: Fleet, ...flags: readonly string[]): Promise<void> {
  const managers = fleet.machines.filter(({ name }) => name.startsWith('m'));
  const workers = fleet.machines.filter((machine) => !managers.includes(machine));
  const [first, ...others] = managers;
  if (first === undefined) throw new Error('a swarm needs a manager');
  await first.docker('swarm', 'init', ...flags);
  for (const manager of others) await join(manager, first, 'manager');
  await Promise.all(workers.map((worker) => join(worker, first, 'worker')));
  await allReady(first, fleet.machines.length);
}

/** Waits until the node list of `machine` has so many nodes, all of them ready. */
export async function allReady(machine: Machine, nodes: number): Promise<void> {
  await eventually(`${nodes} nodes are ready`, async () => {
    const rows = await nodeRows(machine);
    const notReady = rows.filter(({ status }) => status !== 'Ready');
    if (rows.length === nodes && notReady.length === 0) return true;
    throw new Error(`of ${rows.length} nodes, not ready: ${JSON.stringify(notReady)}`);
  });
}

/** The machine that leads, as one of the others sees it. */
export async function leaderOf(fleet: Fleet, asked: Machine): Promise<Machine> {
  return eventually('a leader', async () => {
    const leader = (await nodeRows(asked)).find(({ manager }) => manager === 'Leader');
    return leader === undefined ? undefined : fleet.machine(leader.hostname);
  });
}

/** Ids of all containers of a service, by machine. */
export async function containersByMachine(
  machines: readonly Machine[],
  service: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = await Promise.all(
    machines.map(async (machine) => {
      const ids = [...(await machine.containers(service)).values()].sort();
      return [machine.name, ids] as const;
    }),
  );
  return new Map(found);
}
