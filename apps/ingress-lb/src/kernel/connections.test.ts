import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { expect, test } from 'vitest';
import { backendSelections, forgetFlows } from './connections.ts';

const reply = (to: string): string => `src=${to} dst=10.78.0.1 sport=8000 dport=4711 mark=0 use=1`;
const request = 'src=10.78.0.1 dst=169.254.77.2 sport=4711 dport=8000';
const shown = 'conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.';
const gone = { kind: 'backend', address: '10.0.0.5' } as const;

test.each([
  [
    'a connection that is open',
    `tcp      6 99 ESTABLISHED ${request} ${reply('10.0.0.5')}`,
    ['-f ipv4 -p tcp --state ESTABLISHED --reply-src 10.0.0.5'],
  ],
  [
    'one that nobody has answered',
    `tcp      6 99 SYN_SENT ${request} [UNREPLIED] ${reply('10.0.0.5')}`,
    ['-f ipv4 -p tcp --state SYN_SENT --reply-src 10.0.0.5'],
  ],
  [
    'a flow without states',
    `udp      17 29 ${request} ${reply('10.0.0.5')}`,
    ['-f ipv4 -p udp --reply-src 10.0.0.5'],
  ],
  [
    'one in a state that the tool cannot be asked for',
    `sctp     132 99 HEARTBEAT_ACKED ${request} ${reply('10.0.0.5')}`,
    ['-f ipv4 -p sctp --reply-port-src 8000 --reply-port-dst 4711 --reply-src 10.0.0.5'],
  ],
  ['one that is over', `tcp      6 99 TIME_WAIT ${request} ${reply('10.0.0.5')}`, []],
  ['one of what is not balanced', `unknown  47 29 ${request} ${reply('10.0.0.5')}`, []],
  ['one to another task', `tcp      6 99 ESTABLISHED ${request} ${reply('10.0.0.50')}`, []],
  [
    'one that the task began',
    `tcp 6 99 ESTABLISHED src=10.0.0.5 dst=10.0.0.9 sport=1 dport=2 src=10.0.0.9 dst=10.0.0.5 sport=2 dport=1 mark=0 use=1`,
    [],
  ],
])('of a task that is gone: %s', (_, line, wanted) => {
  const selections = backendSelections(`${line}\n${line}\n${shown}\n`, [gone]);
  expect(selections.map((each) => each.join(' '))).toEqual(wanted);
});

test('of a task that drains only what was asked for', () => {
  const listing = [
    `tcp      6 99 ESTABLISHED ${request} ${reply('10.0.0.5')}`,
    `udp      17 29 ${request} ${reply('10.0.0.5')}`,
  ].join('\n');
  expect(backendSelections(listing, [{ ...gone, protocol: 'udp' }])).toEqual([
    ['-f', 'ipv4', '-p', 'udp', '--reply-src', '10.0.0.5'],
  ]);
});

test('IPv6', () => {
  const line =
    'tcp      6 99 ESTABLISHED src=fd00::9 dst=fd00::1 sport=11 dport=20 src=fd00::5 dst=fd00::9 sport=20 dport=11 mark=0 use=1';
  expect(backendSelections(line, [{ kind: 'backend', address: 'fd00::5' }])).toEqual([
    ['-f', 'ipv6', '-p', 'tcp', '--state', 'ESTABLISHED', '--reply-src', 'fd00::5'],
  ]);
});

class FakeCommands implements KernelCommands {
  readonly ran: Command[] = [];
  readonly #outcomes: CommandOutcome[];

  constructor(...outcomes: CommandOutcome[]) {
    this.#outcomes = outcomes;
  }

  run(command: Command): Promise<CommandOutcome> {
    this.ran.push(command);
    return Promise.resolve(this.#outcomes.shift() ?? { kind: 'done', stdout: '' });
  }
}

test('where nothing is open, nothing is deleted', async () => {
  const commands = new FakeCommands({ kind: 'done', stdout: `${shown}\n${shown}\n` });
  expect(await forgetFlows(commands, undefined, [gone])).toBeUndefined();
  expect(commands.ran).toHaveLength(1);
});

const notFound = 'sh: 2: conntrack: not found';
test.each([
  ['cannot be read', `${notFound}\n${notFound}\n`, notFound],
  ['can be read in one half', `${shown}\n`, shown],
  ['is read by nobody', `${shown}\n${shown}\ngrep cannot be run\n`, 'grep cannot be run'],
  ['says nothing', '\n', 'conntrack says nothing'],
])('a table that %s is told', async (_, stdout, reason) => {
  expect(await forgetFlows(new FakeCommands({ kind: 'done', stdout }), undefined, [gone])).toBe(
    `open flows of stopped tasks are not ended: ${reason}`,
  );
});
