import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { deadlineMs, order, runs } from '../scheduling/services.ts';
import type { Swarm } from './fleet.ts';

/** A running container of a task. */
export interface TaskContainer {
  readonly machine: Machine;
  readonly id: string;
  /** `<service>.<slot>.<task id>` */
  readonly name: string;
}

/** The running containers of a service on all machines, by name. */
export async function containersOf(
  { fleet }: Swarm,
  service: string,
): Promise<readonly TaskContainer[]> {
  const found = await Promise.all(
    fleet.machines
      .filter(({ isUp }) => isUp)
      .map(async (machine) => {
        const containers = await machine.containers(service);
        return [...containers].map(([name, id]) => ({ machine, id, name }));
      }),
  );
  return found.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Creates the service and waits until so many tasks of it run; gives their containers. */
export async function serve(
  swarm: Swarm,
  name: string,
  replicas: number,
  flags: readonly string[],
  command: readonly string[] = [],
): Promise<readonly TaskContainer[]> {
  const image = command.length > 0 ? 'busybox' : 'whoami';
  const basics = ['--detach', '--stop-signal=KILL', `--name=${name}`, `--replicas=${replicas}`];
  await order(swarm.m1, 'service', 'create', ...basics, ...flags, image, ...command);
  await runs(swarm.m1, name, replicas);
  return containersOf(swarm, name);
}

/** A service of one container that only waits, from which others are called. */
export async function client(swarm: Swarm, ...flags: readonly string[]): Promise<TaskContainer> {
  const [container] = await serve(swarm, 'client', 1, flags, ['sleep', '1d']);
  if (container === undefined) throw new Error('the client has no container');
  return container;
}

/**
 * Serves one short file that holds the container's host name: cheaper than whoami, for tests that ask
 * thousands of times.
 */
export const fileServer: readonly string[] = [
  'sh',
  '-c',
  'mkdir -p /www; hostname >/www/index.html; exec httpd -f -p 8000 -h /www',
];

export function inside({ machine, id }: TaskContainer, ...command: readonly string[]) {
  return machine.engine('exec', id, ...command);
}

/** Whatever the outcome: exit code and output. */
export function tryInside({ machine, id }: TaskContainer, ...command: readonly string[]) {
  return machine.tryExec(['docker', '-H', 'unix:///run/docker.sock', 'exec', id, ...command]);
}

/** Addresses that the container's resolver gives for a name, sorted; empty when there is none. */
export async function lookup(container: TaskContainer, name: string): Promise<readonly string[]> {
  const { stdout } = await tryInside(container, 'nslookup', name);
  const answer = stdout.split(/\n\n/).slice(1).join('\n');
  const addresses = [...answer.matchAll(/^Address(?: \d+)?:\s*(\S+)/gm)].map(([, found]) => found);
  return addresses.filter((address) => address !== undefined).sort();
}

/** Waits until the name stands for exactly these addresses. */
export async function resolves(
  container: TaskContainer,
  name: string,
  addresses: readonly string[],
): Promise<void> {
  const wanted = JSON.stringify([...addresses].sort());
  await eventually(
    `${name} is ${wanted}`,
    async () => {
      const found = JSON.stringify(await lookup(container, name));
      if (found === wanted) return true;
      throw new Error(found);
    },
    deadlineMs,
  );
}

/** The container's addresses in the network, as the API shows them, without prefix length. */
export async function addressesIn(
  { m1 }: Swarm,
  service: string,
  network: string,
): Promise<readonly string[]> {
  const ids = await m1.docker(
    'service',
    'ps',
    '--quiet',
    '--no-trunc',
    '--filter',
    'desired-state=running',
    service,
  );
  const format = `{{range .NetworksAttachments}}{{if eq .Network.Spec.Name "${network}"}}{{range .Addresses}}{{.}} {{end}}{{end}}{{end}}`;
  const out = await m1.docker('inspect', '--format', format, ...ids.split('\n').filter(Boolean));
  return out
    .split(/\s+/)
    .filter((address) => address !== '')
    .map((address) => address.split('/')[0] ?? '')
    .sort();
}

/** The service's virtual addresses, without prefix length. */
export async function virtualAddresses({ m1 }: Swarm, service: string): Promise<readonly string[]> {
  const format = '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}';
  const out = await m1.docker('service', 'inspect', '--format', format, service);
  return out
    .split(/\s+/)
    .filter((address) => address !== '')
    .map((address) => address.split('/')[0] ?? '');
}

/** How often each answer came, of so many requests, some at a time. */
export async function tally(
  requests: number,
  ask: () => Promise<string>,
  atOnce = 8,
): Promise<{
  readonly answers: ReadonlyMap<string, number>;
  readonly failures: readonly string[];
}> {
  const answers = new Map<string, number>();
  const failures: string[] = [];
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      try {
        const answer = (await ask()).trim();
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { answers, failures };
}
