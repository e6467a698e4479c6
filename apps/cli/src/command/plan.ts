import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const node = z.object({ hostname: z.string() });
const line = z.object({ task: z.string() });
const planSchema = z.object({
  index: z.number(),
  complete: z.boolean(),
  takesMs: z.number(),
  moves: z.array(line.extend({ from: node, to: node })),
  starts: z.array(line.extend({ on: node })),
  stops: z.array(line.extend({ on: node, reason: z.string() })),
  wontFit: z.array(line.extend({ from: node.optional(), reason: z.string() })),
  counts: z.object({
    moves: z.number(),
    starts: z.number(),
    stops: z.number(),
    wontFit: z.number(),
  }),
});
export type Plan = z.output<typeof planSchema>;

/** In a large swarm every move of a rebalancing is played through. */
const planWait = { ms: 10 * 60_000, tooLong: 'the plan takes longer than 10 minutes' };

/** Exit code when something would find no place. */
export const exitWontFit = 4;

interface Options {
  readonly socket: string;
  readonly json: boolean;
}

/** Asks what would happen and shows it; gives the exit code. */
async function plan(
  request: object,
  { socket, json }: Options,
  terminal: Terminal,
): Promise<number> {
  const answer = await askApi(socket, 'POST', '/shoal/v1/plan', request, planWait);
  const parsed = planSchema.parse(answer);
  terminal.print(json ? JSON.stringify(answer, undefined, 2) : planText(parsed));
  return parsed.counts.wontFit > 0 ? exitWontFit : 0;
}

/** A table of what would happen, and a sentence. */
export function planText(plan: Plan): string {
  const rows = [
    ...plan.moves.map(({ task, from, to }) => ['moves', task, from.hostname, to.hostname, '']),
    ...plan.starts.map(({ task, on }) => ['starts', task, '-', on.hostname, '']),
    ...plan.stops.map(({ task, on, reason }) => ['stops', task, on.hostname, '-', reason]),
    ...plan.wontFit.map(({ task, from, reason }) => [
      'waits',
      task,
      from?.hostname ?? '-',
      '-',
      reason,
    ]),
  ];
  const table = rows.length === 0 ? '' : formatTable([['', 'TASK', 'FROM', 'TO', 'WHY'], ...rows]);
  return `${table}${summary(plan)}\n`;
}

function summary({ counts, complete, index }: Plan): string {
  const parts = [
    counts.moves > 0 ? `${tasks(counts.moves)} would move` : '',
    counts.starts > 0 ? `${tasks(counts.starts)} would start` : '',
    counts.stops > 0 ? `${tasks(counts.stops)} would stop` : '',
    counts.wontFit > 0 ? `${tasks(counts.wontFit)} would find no place` : '',
  ].filter((part) => part !== '');
  const what = parts.length === 0 ? 'Nothing would change' : parts.join(', ');
  const cut = complete ? '' : ' The plan was cut off before all was quiet.';
  return `${what} (state at log index ${index}; nothing was changed).${cut}`;
}

function tasks(count: number): string {
  return count === 1 ? '1 task' : `${count} tasks`;
}

/** `web=3` as a request. @throws CommandError */
export function scaleRequest(text: string): object {
  const [, service, replicas] = /^(.+)=(\d{1,7})$/.exec(text) ?? [];
  if (service === undefined) throw new CommandError(`${text} does not do: must look like web=3`, 2);
  return { kind: 'scale', service, replicas: Number(replicas) };
}

/** Adds `plan`. */
export function addPlanCommands(shoal: Command, terminal: Terminal): void {
  const command = shoal
    .command('plan')
    .description(
      'show what would happen, without doing it; exit code 4 when something has no place',
    );
  const add = (usage: string, about: string, request: (text: string) => object): void => {
    command
      .command(usage)
      .description(about)
      .addOption(socketOption())
      .addOption(jsonOption())
      .action(async (...given: readonly unknown[]) => {
        const text = typeof given[0] === 'string' ? given[0] : '';
        const options = given[usage.includes('<') ? 1 : 0] as Options;
        process.exitCode = await plan(request(text), options, terminal);
      });
  };
  add('drain <node>', 'if the node were drained', (ref) => ({ kind: 'drain', node: ref }));
  add('lose <node>', 'if the node died now', (ref) => ({ kind: 'lose', node: ref }));
  add('scale <service=replicas>', 'if the service had so many replicas', scaleRequest);
  add('rebalance', 'if tasks were moved to nodes that have fewer', () => ({ kind: 'rebalance' }));
}
