import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { formatTable, type Terminal } from '../terminal.ts';
import { socketOption } from './socket-option.ts';

const revision = z.object({
  Number: z.number(),
  CreatedAt: z.string(),
  Current: z.boolean(),
  Previous: z.boolean(),
  RunningTasks: z.number(),
  Spec: z.object({
    TaskTemplate: z.object({
      ContainerSpec: z.object({ Image: z.string() }),
      ForceUpdate: z.number().optional(),
    }),
    Mode: z.object({ Replicated: z.object({ Replicas: z.number() }).optional() }).optional(),
  }),
});
type Revision = z.output<typeof revision>;

const history = z.object({ Name: z.string(), Revisions: z.array(revision) });
const rollbackAnswer = z.object({ From: z.number(), To: z.number() });

/** Shows the revisions that are kept of a service, newest first. */
export async function showHistory(
  socket: string,
  service: string,
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  const answer = await askApi(socket, 'GET', `${pathOf(service)}/revisions`);
  if (json) terminal.print(JSON.stringify(answer, undefined, 2));
  else terminal.print(historyTable(history.parse(answer).Revisions));
}

/** Brings a service back to an earlier revision; the previous one when none is named. */
export async function rollBack(
  socket: string,
  service: string,
  to: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const query = to === undefined ? '' : `?to=${encodeURIComponent(to)}`;
  const answer = await askApi(socket, 'POST', `${pathOf(service)}/rollback${query}`);
  const { From, To } = rollbackAnswer.parse(answer);
  terminal.print(`${service}: rolling back from revision ${From} to ${To}`);
}

function pathOf(service: string): string {
  return `/shoal/v1/services/${encodeURIComponent(service)}`;
}

function historyTable(revisions: readonly Revision[]): string {
  return formatTable([
    ['REVISION', 'CREATED', 'IMAGE', 'REPLICAS', 'RUNNING', ''],
    ...revisions.map((one) => [
      String(one.Number),
      one.CreatedAt.replace(/\.\d+/, ''),
      one.Spec.TaskTemplate.ContainerSpec.Image.replace(/@sha256:.*/, ''),
      String(one.Spec.Mode?.Replicated?.Replicas ?? '-'),
      String(one.RunningTasks),
      standing(one),
    ]),
  ]);
}

function standing({ Current, Previous }: Revision): string {
  if (Current) return 'current';
  return Previous ? 'previous' : '';
}

/** Adds `history` and `rollback`. */
export function addRevisionCommands(shoal: Command, terminal: Terminal): void {
  shoal
    .command('history')
    .description('show the revisions of a service')
    .argument('<service>')
    .option('--json', 'for programs', false)
    .addOption(socketOption())
    .action((service: string, options: { json: boolean; socket: string }) =>
      showHistory(options.socket, service, options.json, terminal),
    );
  shoal
    .command('rollback')
    .description('bring a service back to an earlier revision')
    .argument('<service>')
    .option('--to <revision>', 'its number, as history shows it (default: the previous one)')
    .addOption(socketOption())
    .action((service: string, options: { to?: string; socket: string }) =>
      rollBack(options.socket, service, options.to, terminal),
    );
}
