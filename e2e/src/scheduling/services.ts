import { z } from 'zod';
import { httpOver } from '../host/http.ts';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';

/** Several people and their load share the computers these tests run on. */
export const deadlineMs = 60_000;

const passing = /The swarm does not have a leader/;

/**
 * A docker command that changes something. Where computers are too busy for the managers' heartbeats there
 * is no leader for a moment; then it is given again, as people do.
 */
export async function order(machine: Machine, ...args: readonly string[]): Promise<string> {
  const result = await eventually(
    `an answer to docker ${args.join(' ')}`,
    async () => {
      const answer = await machine.tryDocker(args);
      return !passing.test(answer.stderr) && answer;
    },
    deadlineMs,
  );
  if (result.code !== 0) throw new Error(`docker ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** A row of `docker service ps`. */
export interface TaskRow {
  readonly name: string;
  readonly image: string;
  readonly node: string;
  /** `Running`, `Shutdown`, … */
  readonly desired: string;
  /** State and age, as in `Running 3 seconds ago`. */
  readonly current: string;
  readonly error: string;
}

const rowFormat = '{{.Name}}|{{.Image}}|{{.Node}}|{{.DesiredState}}|{{.CurrentState}}|{{.Error}}';

export async function taskRows(machine: Machine, service: string): Promise<readonly TaskRow[]> {
  const out = await machine.docker('service', 'ps', '--no-trunc', '--format', rowFormat, service);
  return out
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => {
      const [name = '', image = '', node = '', desired = '', current = '', ...error] =
        row.split('|');
      return { name, image, node, desired, current, error: error.join('|') };
    });
}

export function isRunning({ desired, current }: TaskRow): boolean {
  return desired === 'Running' && current.startsWith('Running');
}

/** Creates a service of busybox containers that do nothing and end at once when told to. */
export async function createIdle(
  machine: Machine,
  name: string,
  flags: readonly string[],
  command: readonly string[] = ['sleep', '1d'],
): Promise<void> {
  const basics = ['--detach', '--stop-signal=KILL', `--name=${name}`];
  await order(machine, 'service', 'create', ...basics, ...flags, 'busybox', ...command);
}

/** The same, of containers that are healthy while they have the file /tmp/well. */
export function createHealthy(
  machine: Machine,
  name: string,
  flags: readonly string[],
): Promise<void> {
  const check = ['--health-cmd=test -e /tmp/well', '--health-interval=500ms', '--health-retries=1'];
  const command = ['sh', '-c', 'touch /tmp/well; exec sleep 1d'];
  return createIdle(machine, name, [...check, ...flags], command);
}

/** Waits until exactly so many tasks of the service run and none else should. */
export async function runs(
  machine: Machine,
  service: string,
  count: number,
): Promise<readonly TaskRow[]> {
  return eventually(
    `${service} runs ${count} times`,
    async () => {
      const wanted = (await taskRows(machine, service)).filter((row) => row.desired === 'Running');
      if (wanted.length === count && wanted.every(isRunning)) return wanted;
      throw new Error(JSON.stringify(wanted));
    },
    deadlineMs,
  );
}

/** Waits until a task of the service says something that matches; gives that task. */
export async function says(machine: Machine, service: string, text: RegExp): Promise<TaskRow> {
  return eventually(
    `a task of ${service} says ${text}`,
    async () => {
      const rows = await taskRows(machine, service);
      const found = rows.find(({ error }) => text.test(error));
      if (found !== undefined) return found;
      throw new Error(JSON.stringify(rows));
    },
    deadlineMs,
  );
}

/** How many tasks run on each node. */
export function countByNode(rows: readonly TaskRow[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { node } of rows) counts[node] = (counts[node] ?? 0) + 1;
  return counts;
}

/** What `docker service inspect` says of the last update: its state and message. */
export async function updateStatus(
  machine: Machine,
  service: string,
): Promise<{ readonly state: string; readonly message: string }> {
  const format = '{{with .UpdateStatus}}{{.State}}|{{.Message}}{{end}}';
  const out = await machine.docker('service', 'inspect', '--format', format, service);
  const [state = '', message = ''] = out.trim().split('|');
  return { state, message };
}

/** Removes every service, and waits until their tasks are gone. */
export async function removeServices(machine: Machine): Promise<void> {
  const ids = (await machine.docker('service', 'ls', '--quiet')).split('\n').filter(Boolean);
  if (ids.length > 0) await order(machine, 'service', 'rm', ...ids);
  await eventually(
    'no task is left',
    async () => {
      const tasks = await apiTasks(machine);
      if (tasks.length === 0) return true;
      throw new Error(JSON.stringify(tasks));
    },
    deadlineMs,
  );
}

const apiTask = z.object({
  ID: z.string(),
  ServiceID: z.string(),
  NodeID: z.string().optional(),
  DesiredState: z.string(),
  Status: z.object({ State: z.string() }),
});

/** All tasks as the API has them. */
export async function apiTasks(machine: Machine): Promise<readonly z.infer<typeof apiTask>[]> {
  const { body } = await machine.http({ method: 'GET', path: '/tasks' });
  return z.array(apiTask).parse(JSON.parse(body));
}

/** Running and healthy containers of a service on one machine, as its own engine has them. */
export async function healthyOn(machine: Machine, service: string): Promise<number> {
  const filters = JSON.stringify({
    label: [`com.docker.swarm.service.name=${service}`],
    health: ['healthy'],
    status: ['running'],
  });
  const path = `/containers/json?filters=${encodeURIComponent(filters)}`;
  const { body } = await httpOver(machine.engineSocket, { method: 'GET', path });
  return z.array(z.unknown()).parse(JSON.parse(body)).length;
}
