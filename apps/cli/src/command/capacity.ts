import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const nanosPerProcessor = 1e9;
const bytesPerGibibyte = 1024 ** 3;

const amount = z.object({ has: z.number(), reserved: z.number() });
const room = { tasks: z.number(), nanoCpus: amount, memoryBytes: amount };
const capacityAnswer = z.object({
  total: z.object({ nodes: z.number(), ...room }),
  nodes: z.array(
    z.object({
      node: z.object({ id: z.string(), hostname: z.string() }),
      state: z.string(),
      availability: z.string(),
      ...room,
      generic: z.array(amount.extend({ kind: z.string() })),
    }),
  ),
});
type Amount = z.output<typeof amount>;
type NodeRoom = z.output<typeof capacityAnswer>['nodes'][number];

/** Shows what the nodes have, and what of it is reserved: the fullest first. @throws CommandError */
export async function capacity(
  request: { readonly socket: string; readonly nodes: readonly string[]; readonly json: boolean },
  terminal: Terminal,
): Promise<void> {
  const answer: unknown = await askApi(request.socket, 'GET', '/shoal/v1/capacity');
  const { total, nodes } = capacityAnswer.parse(answer);
  const shown = nodes.filter(
    ({ node }) => request.nodes.length === 0 || isNamed(node, request.nodes),
  );
  for (const name of request.nodes)
    if (!shown.some(({ node }) => isNamed(node, [name])))
      throw new CommandError(`there is no node ${name}`);
  shown.sort((a, b) => fullness(b) - fullness(a) || (a.node.hostname < b.node.hostname ? -1 : 1));
  if (request.json) {
    terminal.print(JSON.stringify(shown, undefined, 2));
    return;
  }
  const header = ['NODE', 'STATE', 'TASKS', 'PROCESSORS', 'MEMORY', 'OTHERS'];
  const rows = shown.map((one) => [one.node.hostname, stateOf(one), ...roomOf(one), othersOf(one)]);
  const isWhole = request.nodes.length === 0 && shown.length > 1;
  const sums = isWhole ? [['all that take tasks', '', ...roomOf(total), '']] : [];
  terminal.print(formatTable([header, ...rows, ...sums]));
}

function isNamed({ id, hostname }: NodeRoom['node'], names: readonly string[]): boolean {
  return names.some((name) => name === hostname || (name !== '' && id.startsWith(name)));
}

/** Of what there is least left, the share that is reserved. */
function fullness({ nanoCpus, memoryBytes }: NodeRoom): number {
  const share = ({ has, reserved }: Amount): number => (has > 0 ? reserved / has : 0);
  return Math.max(share(nanoCpus), share(memoryBytes));
}

function stateOf({ state, availability }: NodeRoom): string {
  return availability === 'active' ? state : `${state}, ${availability}`;
}

function roomOf(one: Pick<NodeRoom, 'tasks' | 'nanoCpus' | 'memoryBytes'>): readonly string[] {
  const { tasks, nanoCpus, memoryBytes } = one;
  return [
    String(tasks),
    amountText(nanoCpus, nanosPerProcessor),
    `${amountText(memoryBytes, bytesPerGibibyte)} GiB`,
  ];
}

function othersOf({ generic }: NodeRoom): string {
  return generic.map((one) => `${one.kind} ${amountText(one, 1)}`).join(', ');
}

/** `0.5 of 4`. */
function amountText({ has, reserved }: Amount, unit: number): string {
  const text = (value: number): string => String(Math.round((value / unit) * 100) / 100);
  return `${text(reserved)} of ${text(has)}`;
}

/** Adds `capacity`. */
export function addCapacityCommand(shoal: Command, terminal: Terminal): void {
  shoal
    .command('capacity')
    .description('show what the nodes have, and what of it is reserved')
    .argument('[node...]', 'only these')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action((nodes: string[], options: { json: boolean; socket: string }) =>
      capacity({ ...options, nodes }, terminal),
    );
}
