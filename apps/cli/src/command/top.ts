import { type ContainerUsage, containerStats, containerUsage } from '@shoal/docker-api';
import { type Clock, errorMessage, pause } from '@shoal/runtime';
import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

/** Containers that are asked about at the same time. */
const atOnce = 32;
/** Between two looks, milliseconds: what was used in between is told. */
const betweenMs = 2_000;
const bytesPerMegabyte = 1_000_000;

/** Desired states of tasks that run: those of jobs are to complete. */
const wantedStates = ['running', 'complete'];

const groupings = ['service', 'stack', 'node', 'task'] as const;
type Grouping = (typeof groupings)[number];

const tasksAnswer = z.array(
  z.object({
    ID: z.string(),
    ServiceID: z.string().default(''),
    NodeID: z.string().default(''),
    Slot: z.number().default(0),
    Status: z.object({
      State: z.string(),
      ContainerStatus: z.object({ ContainerID: z.string().default('') }).nullish(),
    }),
  }),
);
const servicesAnswer = z.array(
  z.object({
    ID: z.string(),
    Spec: z.object({ Name: z.string(), Labels: z.record(z.string(), z.string()).nullish() }),
  }),
);
const nodesAnswer = z.array(
  z.object({
    ID: z.string(),
    Description: z.object({
      Hostname: z.string().default(''),
      Resources: z.object({ MemoryBytes: z.number().default(0) }).default({ MemoryBytes: 0 }),
    }),
  }),
);

type Place = Readonly<Record<Grouping, string>>;
interface Running extends Place {
  readonly containerId: string;
  readonly hostMemoryBytes: number;
}
interface Look {
  readonly atMs: number;
  readonly usage: ContainerUsage;
}

/** What tasks that have something in common use together. */
export interface Load {
  readonly name: string;
  readonly tasks: number;
  /** Processors kept busy, on average between the two looks. */
  readonly processors: number;
  readonly memoryBytes: number;
  /** Of the task that is nearest to its memory limit; absent where none has one. */
  readonly nearestToLimit?: number | undefined;
}

export interface TopRequest {
  readonly socket: string;
  readonly by: Grouping;
  /** Names of services; none for all. */
  readonly services: readonly string[];
  readonly json: boolean;
}

/** Shows what runs in the swarm, and what it uses now, most first. @throws CommandError */
export async function top(
  request: TopRequest,
  clock: Pick<Clock, 'after'>,
  terminal: Terminal,
): Promise<void> {
  const { socket, by, json } = request;
  const running = await runningTasks(request);
  const silent = new Map<string, string>();
  const lookAtAll = (): Promise<ReadonlyMap<Running, Look>> =>
    inTurns(running, (task) =>
      look(socket, task).catch((error: unknown) => {
        silent.set(task.task, errorMessage(error));
        return undefined;
      }),
    );
  const before = await lookAtAll();
  await pause(clock, betweenMs);
  const loads = loadsBy(by, before, await lookAtAll());
  if (json) terminal.print(JSON.stringify(loads, undefined, 2));
  else terminal.print(formatTable([header(by), ...loads.map(row)]));
  for (const [task, why] of silent) terminal.say(`nothing is known of ${task}: ${why}`);
}

async function runningTasks({ socket, services }: TopRequest): Promise<readonly Running[]> {
  const filters = encodeURIComponent(JSON.stringify({ 'desired-state': wantedStates }));
  const [tasks, known, nodes] = await Promise.all([
    askApi(socket, 'GET', `/tasks?filters=${filters}`).then((all) => tasksAnswer.parse(all)),
    askApi(socket, 'GET', '/services').then((all) => servicesAnswer.parse(all)),
    askApi(socket, 'GET', '/nodes').then((all) => nodesAnswer.parse(all)),
  ]);
  const serviceOf = new Map(known.map((service) => [service.ID, service.Spec]));
  const nodeOf = new Map(nodes.map((node) => [node.ID, node.Description]));
  for (const name of services)
    if (!known.some(({ Spec }) => Spec.Name === name))
      throw new CommandError(`there is no service ${name}`);
  return tasks.flatMap(({ ServiceID, NodeID, Slot, Status }): Running[] => {
    const { Name: service = '', Labels } = serviceOf.get(ServiceID) ?? {};
    const containerId = Status.ContainerStatus?.ContainerID ?? '';
    if (Status.State !== 'running' || containerId === '' || service === '') return [];
    if (services.length > 0 && !services.includes(service)) return [];
    const host = nodeOf.get(NodeID);
    const node = host?.Hostname || NodeID;
    const task = `${service}.${Slot === 0 ? node : Slot}`;
    const stack = Labels?.['com.docker.stack.namespace'] ?? '-';
    const hostMemoryBytes = host?.Resources.MemoryBytes ?? Number.POSITIVE_INFINITY;
    return [{ service, stack, node, task, containerId, hostMemoryBytes }];
  });
}

async function look(socket: string, { containerId, hostMemoryBytes }: Running): Promise<Look> {
  const path = `/containers/${containerId}/stats?stream=0&one-shot=1`;
  const answer = containerStats.parse(await askApi(socket, 'GET', path));
  return { atMs: Date.parse(answer.read), usage: containerUsage(answer, hostMemoryBytes) };
}

/** Some at a time; those without an answer are left out. */
async function inTurns<K, V>(
  keys: readonly K[],
  ask: (key: K) => Promise<V | undefined>,
): Promise<ReadonlyMap<K, V>> {
  const found = new Map<K, V>();
  const left = keys.values();
  const work = async (): Promise<void> => {
    for (const key of left) {
      const value = await ask(key);
      if (value !== undefined) found.set(key, value);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return found;
}

function loadsBy(
  by: Grouping,
  before: ReadonlyMap<Running, Look>,
  after: ReadonlyMap<Running, Look>,
): readonly Load[] {
  const groups = Map.groupBy(after, ([task]) => task[by]);
  return [...groups]
    .map(([name, members]): Load => {
      const shares = members.flatMap(([, { usage }]) =>
        usage.memoryLimitBytes === undefined
          ? []
          : (usage.memoryBytes ?? 0) / usage.memoryLimitBytes,
      );
      return {
        name,
        tasks: members.length,
        processors: sum(members.map(([task, now]) => processors(before.get(task), now))),
        memoryBytes: sum(members.map(([, { usage }]) => usage.memoryBytes ?? 0)),
        nearestToLimit: shares.length === 0 ? undefined : Math.max(...shares),
      };
    })
    .sort((a, b) => b.processors - a.processors || (a.name < b.name ? -1 : 1));
}

/** A container that was started again in between counts from zero. */
function processors(before: Look | undefined, now: Look): number {
  const { cpuSeconds = 0 } = now.usage;
  if (before === undefined) return 0;
  const seconds = (now.atMs - before.atMs) / 1_000;
  return seconds > 0 ? Math.max(0, cpuSeconds - (before.usage.cpuSeconds ?? 0)) / seconds : 0;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function header(by: Grouping): readonly string[] {
  return [by.toUpperCase(), 'TASKS', 'PROCESSORS', 'MEMORY', 'NEAREST TO ITS LIMIT'];
}

function row({ name, tasks, processors: busy, memoryBytes, nearestToLimit }: Load): string[] {
  return [
    name,
    String(tasks),
    busy.toFixed(2),
    `${(memoryBytes / bytesPerMegabyte).toFixed(1)} MB`,
    nearestToLimit === undefined ? '-' : `${Math.round(nearestToLimit * 100)} %`,
  ];
}

function grouping(text: string): Grouping {
  const found = groupings.find((one) => one === text);
  if (found === undefined)
    throw new CommandError(`--by is one of ${groupings.join(', ')}, not ${text}`, 2);
  return found;
}

/** Adds `top`. */
export function addTopCommand(
  shoal: Command,
  clock: Pick<Clock, 'after'>,
  terminal: Terminal,
): void {
  shoal
    .command('top')
    .description('show what the tasks of the whole swarm use now')
    .argument('[service...]', 'only these')
    .option('--by <what>', `one row for each ${groupings.join(', ')}`, 'service')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action(
      (services: string[], { by, ...options }: { by: string; json: boolean; socket: string }) =>
        top({ ...options, services, by: grouping(by) }, clock, terminal),
    );
}
