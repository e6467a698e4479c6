import { systemClock } from '@shoal/runtime';
import { parseDuration } from '@shoal/state';
import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const value = z.union([z.string(), z.number(), z.boolean()]).optional();
const change = z.object({
  Op: z.enum(['create', 'update', 'delete']),
  Kind: z.string(),
  ID: z.string(),
  Name: z.string(),
  Fields: z.array(z.object({ Path: z.string(), From: value, To: value })),
});
const record = z.object({
  Time: z.string(),
  Actor: z.object({
    Kind: z.string(),
    Name: z.string(),
    Client: z.string().optional(),
    Node: z.object({ ID: z.string(), Hostname: z.string() }).optional(),
  }),
  Reason: z.string(),
  Changes: z.array(change),
  LeftOut: z.number(),
});
const answer = z.object({
  Records: z.array(record),
  Gaps: z.array(z.object({ After: z.number(), Through: z.number() })),
});
const verdict = z.discriminatedUnion('Kind', [
  z.object({
    Kind: z.literal('whole'),
    Records: z.number(),
    After: z.number(),
    Through: z.number(),
    Chain: z.string(),
    Aside: z.array(z.string()),
  }),
  z.object({ Kind: z.literal('damaged'), File: z.string(), Line: z.number(), Message: z.string() }),
]);

type AuditChange = z.output<typeof change>;
type AuditRecord = z.output<typeof record>;

interface AuditOptions {
  readonly socket: string;
  readonly json: boolean;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly limit?: string | undefined;
}

/** Shows who changed what, newest first. @throws CommandError */
async function showAudit(
  name: string | undefined,
  { socket, json, since, until, limit }: AuditOptions,
  terminal: Terminal,
): Promise<void> {
  const now = systemClock.now();
  const query = new URLSearchParams();
  if (name !== undefined) query.set('name', name);
  if (since !== undefined) query.set('since', momentOf(since, now));
  if (until !== undefined) query.set('until', momentOf(until, now));
  if (limit !== undefined) query.set('limit', limit);
  const told = await askApi(socket, 'GET', `/shoal/v1/audit?${query}`);
  if (json) {
    terminal.print(JSON.stringify(told, undefined, 2));
    return;
  }
  const { Records, Gaps } = answer.parse(told);
  terminal.print(auditTable(Records));
  for (const { After, Through } of Gaps)
    terminal.say(
      `entries ${After + 1} to ${Through} of the log are not kept here: ask another manager for them`,
    );
}

/** Holds every line that this manager keeps against the one before it. @throws CommandError when one is damaged */
async function verifyAudit(
  { socket, json }: Pick<AuditOptions, 'socket' | 'json'>,
  terminal: Terminal,
): Promise<void> {
  const told = await askApi(socket, 'GET', '/shoal/v1/audit/verify');
  const found = verdict.parse(told);
  if (json) terminal.print(JSON.stringify(told, undefined, 2));
  if (found.Kind === 'damaged')
    throw new CommandError(`${found.File}, line ${found.Line}: ${found.Message}`);
  if (json) return;
  const { Records, After, Through, Chain, Aside } = found;
  terminal.print(`${Records} records of entries ${After + 1} to ${Through}, as they were written`);
  terminal.print(`chain ${Chain}`);
  for (const file of Aside)
    terminal.say(
      `${file} holds what did not fit the chain when this manager started: look at it, then remove it`,
    );
}

/** A time as it is, or so long ago. @throws CommandError for what is neither */
export function momentOf(text: string, now: number): string {
  const ago = parseDuration(text);
  if (ago.kind === 'duration') return new Date(now - ago.ms).toISOString();
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new CommandError(
    `${text} is no time: give one such as 2026-11-23T14:00:00Z, or 90m for so long ago`,
  );
}

export function auditTable(records: readonly AuditRecord[]): string {
  return formatTable([
    ['TIME', 'WHO', 'WHAT'],
    ...records.map((one) => [
      one.Time.replace(/\.\d+/, ''),
      printable(who(one)),
      printable(what(one)),
    ]),
  ]);
}

/** Hosts name themselves: what they say is not for the terminal to obey. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}

function who({ Actor: { Kind, Name, Client = '', Node } }: AuditRecord): string {
  if (Kind !== 'user') return Name;
  const host = Node === undefined ? '' : Node.Hostname || Node.ID;
  return [Client, host].filter((part) => part !== '').join(' of ');
}

function what({ Actor: { Kind, Name }, Reason, Changes, LeftOut }: AuditRecord): string {
  const more = LeftOut === 0 ? [] : [`${LeftOut} more`];
  return `${Kind === 'user' ? Name : Reason}: ${[...Changes.map(changeText), ...more].join('; ')}`;
}

function changeText({ Op, Kind, ID, Name, Fields }: AuditChange): string {
  const thing = Kind === 'cluster' ? 'swarm' : `${Kind} ${Name === '' ? ID : Name}`;
  if (Op === 'create') return `${thing} created`;
  if (Op === 'delete') return `${thing} removed`;
  const fields = Fields.map(({ Path, From, To }) =>
    From === undefined && To === undefined ? Path : `${Path} ${From ?? '-'} → ${To ?? '-'}`,
  );
  return `${thing}: ${fields.join(', ')}`;
}

/** Adds `audit`. */
export function addAuditCommand(shoal: Command, terminal: Terminal): void {
  shoal
    .command('audit')
    .description(
      'show who changed what, newest first; or verify that what is kept is as it was written',
    )
    .argument('[name]', 'only changes of what has this name or id')
    .option('--since <time>', 'a time, or 90m for so long ago')
    .option('--until <time>', 'a time, or 90m for so long ago')
    .option('--limit <count>', 'at most so many records (default: 100)')
    .option('--verify', 'hold every line against the one before it', false)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action((name: string | undefined, options: AuditOptions & { readonly verify: boolean }) =>
      options.verify ? verifyAudit(options, terminal) : showAudit(name, options, terminal),
    );
}
