import { systemClock } from '@shoal/runtime';
import { parseDuration } from '@shoal/state';
import type { Command } from 'commander';
import { z } from 'zod';
import { askApi, RefusedByApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const document = z.object({
  ID: z.string(),
  Name: z.string(),
  CreatedAt: z.string(),
  Labels: z.record(z.string(), z.string()),
});
const unused = z.object({ Secrets: z.array(document), Configs: z.array(document) });

interface Unused extends z.output<typeof document> {
  readonly kind: 'secret' | 'config';
}

interface PruneOptions {
  readonly socket: string;
  readonly json: boolean;
  readonly force: boolean;
  readonly olderThan?: string | undefined;
  readonly label: readonly string[];
}

/** What of the unused is meant: older than so many milliseconds, with all of these labels. */
export interface PruneFilter {
  readonly createdBefore: number;
  /** `key` or `key=value` each. */
  readonly labels: readonly string[];
}

/**
 * Shows the secrets and configs that nothing needs; with `force` removes them, by Docker's own calls: what somebody
 * began to use in this moment stays. @throws CommandError
 */
export async function prune(options: PruneOptions, terminal: Terminal): Promise<void> {
  const { socket, json, force, olderThan, label } = options;
  const createdBefore = systemClock.now() - ageOf(olderThan);
  const told = unused.parse(await askApi(socket, 'GET', '/shoal/v1/unused'));
  const all: readonly Unused[] = [
    ...told.Secrets.map((one) => ({ kind: 'secret', ...one }) as const),
    ...told.Configs.map((one) => ({ kind: 'config', ...one }) as const),
  ];
  const meant = all.filter((one) => isMeant(one, { createdBefore, labels: label }));
  if (json) terminal.print(JSON.stringify(meant, undefined, 2));
  if (meant.length === 0) terminal.say('nothing to remove');
  else if (force) for (const one of meant) await remove(socket, one, terminal);
  else {
    if (!json) terminal.print(unusedTable(meant));
    terminal.say(
      `${meant.length} that are used by no service, nor by a revision that one could go back to: the same with --force removes them`,
    );
  }
}

async function remove(
  socket: string,
  { kind, ID, Name }: Unused,
  terminal: Terminal,
): Promise<void> {
  try {
    await askApi(socket, 'DELETE', `/${kind}s/${ID}`);
    terminal.say(`${kind} ${Name} is removed`);
  } catch (error) {
    const isKept = error instanceof RefusedByApi && error.status < 500;
    if (!isKept) throw error;
    terminal.say(`${kind} ${Name} stays: ${error.message}`);
  }
}

export function isMeant(
  { CreatedAt, Labels }: z.output<typeof document>,
  { createdBefore, labels }: PruneFilter,
): boolean {
  if (Date.parse(CreatedAt) > createdBefore) return false;
  return labels.every((label) => {
    const [, key = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(label) ?? [];
    return Object.hasOwn(Labels, key) && (value === undefined || Labels[key] === value);
  });
}

function unusedTable(meant: readonly Unused[]): string {
  return formatTable([
    ['KIND', 'NAME', 'CREATED', 'STACK'],
    ...meant.map(({ kind, Name, CreatedAt, Labels }) => [
      kind,
      Name,
      CreatedAt.replace(/\.\d+/, ''),
      Labels['com.docker.stack.namespace'] ?? '',
    ]),
  ]);
}

/** @throws CommandError */
function ageOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const parsed = parseDuration(text);
  if (parsed.kind === 'duration') return parsed.ms;
  throw new CommandError(`--older-than is a duration such as 720h, not ${text}`, 2);
}

/** Adds `prune`. */
export function addPruneCommand(shoal: Command, terminal: Terminal): void {
  const collect = (label: string, before: readonly string[]): readonly string[] => [
    ...before,
    label,
  ];
  shoal
    .command('prune')
    .description('show secrets and configs that nothing needs any more; with --force remove them')
    .option('--older-than <duration>', 'only what was created so long ago, for example 720h')
    .option('--label <label>', 'only what has it: key or key=value; may be repeated', collect, [])
    .option('--force', 'remove them', false)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action((options: PruneOptions) => prune(options, terminal));
}
