import type { Command } from 'commander';
import { z } from 'zod';
import { askApi, RefusedByApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const candidate = z.object({
  hostname: z.string(),
  fails: z.string(),
  lacks: z.string(),
  ofService: z.number(),
  total: z.number(),
  failures: z.number(),
  score: z.number().optional(),
});
const filters = z.array(z.object({ filter: z.string(), nodes: z.number() }));
const decision = z.object({
  at: z.number(),
  logIndex: z.number(),
  revision: z.number(),
  placed: z.array(z.object({ taskId: z.string(), hostname: z.string() })),
  waiting: z.number(),
  err: z.string(),
  filters,
  candidates: z.array(candidate),
  nodes: z.number(),
});
const standing = z.object({
  id: z.string(),
  name: z.string(),
  node: z.string(),
  state: z.string(),
  desired: z.string(),
  message: z.string(),
  err: z.string(),
  waitsFor: z.string(),
});
const records = {
  logIndex: z.number(),
  decisions: z.array(decision),
  now: z
    .object({ filters, candidates: z.array(candidate), nodes: z.number(), fitting: z.number() })
    .nullable(),
  schedulers: z.array(z.object({ id: z.string(), answered: z.boolean(), reason: z.string() })),
};
const link = z.object({ at: z.number(), logIndex: z.number(), text: z.string() });
const taskAnswer = z.object({ task: standing, chain: z.array(link), ...records });
const serviceAnswer = z.object({
  service: z.object({
    name: z.string(),
    revision: z.number(),
    update: z.string(),
    scaling: z.string(),
  }),
  tasks: z.array(standing),
  ...records,
});
export type TaskAnswer = z.output<typeof taskAnswer>;
export type ServiceAnswer = z.output<typeof serviceAnswer>;
type Records = Pick<TaskAnswer, 'decisions' | 'now' | 'schedulers'>;

/** Decisions and nodes that the text shows; `--json` has them all. */
const decisionsShown = 3;
const nodesShown = 10;

interface Options {
  readonly socket: string;
  readonly json: boolean;
}

/** Explains a task, or a service when there is no such task. */
export async function explain(
  ref: string,
  { socket, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const answer = await either(socket, ref);
  if (json) terminal.print(JSON.stringify(answer, undefined, 2));
  else {
    const task = taskAnswer.safeParse(answer);
    terminal.print(task.success ? taskText(task.data) : serviceText(serviceAnswer.parse(answer)));
  }
}

async function either(socket: string, ref: string): Promise<unknown> {
  for (const kind of ['services', 'tasks']) {
    try {
      return await askApi(socket, 'GET', `/shoal/v1/${kind}/${encodeURIComponent(ref)}/explain`);
    } catch (error) {
      if (!(error instanceof RefusedByApi) || error.status !== 404) throw error;
    }
  }
  throw new CommandError(
    `there is no service or task ${ref}; a task is named by its id, or by its place, such as web.1`,
  );
}

export function taskText(answer: TaskAnswer): string {
  const { task, chain } = answer;
  return [
    `${task.name}: ${task.state}${task.node === '' ? '' : ` on ${task.node}`}, meant to be ${task.desired}`,
    task.waitsFor === '' ? '' : `It waits: ${task.waitsFor}`,
    chain.length === 0 ? '' : `\nHow it came to this:\n${chainText(chain)}`,
    recordsText(answer),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

export function serviceText(answer: ServiceAnswer): string {
  const { service, tasks } = answer;
  const rows = tasks.map(({ name, state, node, err, message }) => [
    name,
    state,
    node === '' ? '-' : node,
    err === '' ? message : err,
  ]);
  return [
    `${service.name}: revision ${service.revision}${service.update === '' ? '' : `, ${service.update}`}`,
    service.scaling === '' ? '' : `It is to have ${service.scaling}`,
    rows.length === 0
      ? 'It has no tasks.'
      : formatTable([['TASK', 'STATE', 'NODE', 'WHY'], ...rows]).trimEnd(),
    recordsText(answer),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function chainText(chain: TaskAnswer['chain']): string {
  return chain.map(({ at, logIndex, text }) => `  ${time(at)}  #${logIndex}  ${text}`).join('\n');
}

function recordsText({ decisions, now, schedulers }: Records): string {
  const silent = schedulers.filter(({ answered }) => !answered);
  return [
    decisions.length === 0 ? '\nNo scheduler remembers a decision about it.' : '',
    ...decisions.slice(0, decisionsShown).map(decisionText),
    now === null ? '' : lookText(now),
    ...silent.map(({ id, reason }) => `\n${id} could not be asked: ${reason}`),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function decisionText(one: Records['decisions'][number]): string {
  const [first] = one.placed;
  const placed =
    one.placed.length > 1
      ? `${one.placed.length} tasks placed`
      : first && `placed on ${first.hostname}`;
  const waits = one.waiting > 0 ? `${one.waiting} left waiting: ${one.err}` : undefined;
  const what = [placed, waits].filter((part) => part !== undefined).join('; ');
  const nodes = one.candidates.length === 0 ? '' : `\n${nodeTable(one.candidates)}`;
  return `\nDecided ${time(one.at)} on log index ${one.logIndex}: ${what}${filterText(one.filters)}${nodes}`;
}

function lookText({
  filters: failed,
  candidates,
  nodes,
  fitting,
}: NonNullable<Records['now']>): string {
  return `\nNodes now, for one more task: ${fitting} of ${nodes} fit${filterText(failed)}\n${nodeTable(candidates)}`;
}

function filterText(failed: z.output<typeof filters>): string {
  if (failed.length === 0) return '';
  return ` (failed: ${failed.map(({ filter, nodes }) => `${filter} ${nodes}`).join(', ')})`;
}

function nodeTable(candidates: readonly z.output<typeof candidate>[]): string {
  const rows = candidates
    .slice(0, nodesShown)
    .map(({ hostname, fails, lacks, ofService, total, failures, score }) => [
      `  ${hostname}`,
      fails === '' ? 'fits' : fails,
      String(ofService),
      String(total),
      String(failures),
      score === undefined ? '-' : String(Math.round(score * 1_000) / 1_000),
      lacks,
    ]);
  const head = ['  NODE', 'VERDICT', 'OF SERVICE', 'ALL TASKS', 'FAILURES', 'SCORE', 'IT'];
  return formatTable([head, ...rows]).trimEnd();
}

function time(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Adds `explain`. */
export function addExplainCommand(shoal: Command, terminal: Terminal): void {
  shoal
    .command('explain')
    .description('say why tasks are where they are, or wait')
    .argument('<task|service>')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action((ref: string, options: Options) => explain(ref, options, terminal));
}
