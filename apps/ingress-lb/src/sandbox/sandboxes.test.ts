import type { LocalEndpoint } from '@shoal/overlay';
import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { silentLogger } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { Sandboxes } from './sandboxes.ts';

/** Sandboxes in which nothing is at first, and whose rules nobody reads back. */
class FakeKernel implements KernelCommands {
  /** Rules that were written since the last look. */
  #written: string[] = [];
  failure: string | undefined;

  run({ program, input = '' }: Command): Promise<CommandOutcome> {
    if (program === 'nft') this.#written.push(input);
    const { failure } = this;
    return Promise.resolve(
      program === 'nft' && failure !== undefined
        ? { kind: 'failed', message: failure, stderr: failure, stdout: '' }
        : { kind: 'done', stdout: '\n[]\n[]\n[]\n[]\n' },
    );
  }

  /** What is open of what was written since the last look. */
  open(): readonly string[] {
    const written = this.#written;
    this.#written = [];
    return written.map(
      (rules) => /set ports \{[^}]*elements = \{ ([^}]*) \}/.exec(rules)?.[1] ?? '',
    );
  }
}

const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }] as const;
const published = taskOf(11, { service: serviceOf({ ports }) });
const balancer = (ending: number): EndpointRecord =>
  taskOf(ending, { kind: 'balancer', service: undefined, endpointId: `lb.${ending}` });
const place = (endpointId: string): LocalEndpoint => ({
  endpointId,
  sandbox: '/run/netns/one',
  mac: '02:42:0a:00:01:0b',
  addresses: ['10.0.1.11', 'fd00:1::11'],
  networks: ['ingress'],
});
const ingress = (endpointId: string, ...records: readonly EndpointRecord[]) =>
  tableOf([balancer(241), ...records], { ingress: true, local: [place(endpointId)] });

let kernel: FakeKernel;
let sandboxes: Sandboxes;
beforeEach(() => {
  kernel = new FakeKernel();
  sandboxes = new Sandboxes(kernel, silentLogger);
});

test.each([
  ['its id', 'task11'],
  ['its address, where only the engine’s id of it is known', 'a-long-id-of-the-engine'],
])('what a task publishes is open: the task is found by %s', async (_by, endpointId) => {
  await sandboxes.steer(ingress(endpointId, taskOf(12), published));
  expect(kernel.open()).toEqual(['tcp . 80']);
});

test('a task that cannot be led back is named by its own id', async () => {
  kernel.failure = 'no packet filter';
  expect(await sandboxes.steer(ingress('a-long-id-of-the-engine', published))).toMatchObject({
    changed: true,
  });
  expect(sandboxes.unsteeredEndpoints).toEqual(['task11']);
  expect(sandboxes.problems).toEqual([
    'task11 sees the balancer instead of its clients: no packet filter',
  ]);
});

test.each([false, true])(
  'nothing is closed before the record is known (audit: %s)',
  async (audit) => {
    await sandboxes.steer(ingress('task11', taskOf(12)), audit);
    expect(kernel.open()).toEqual([]);
    await sandboxes.steer(ingress('task11', published), audit);
    expect(kernel.open()).toEqual(['tcp . 80']);
    // An agent that starts again may know it a moment later.
    await sandboxes.steer(ingress('task11'), audit);
    await sandboxes.steer(ingress('task11', taskOf(12)), audit);
    expect(kernel.open()).toEqual([]);
  },
);

test('a sandbox is told again when its ports or the hosts are others, and not before', async () => {
  const more = serviceOf({ ports: [...ports, { ...ports[0], targetPort: 81 }] });
  for (const [table, open] of [
    [ingress('task11', published), ['tcp . 80']],
    [ingress('task11', published, taskOf(12)), []],
    [ingress('task11', taskOf(11, { service: more })), ['tcp . 80, tcp . 81']],
    [ingress('task11', taskOf(11, { service: more }), balancer(242)), ['tcp . 80, tcp . 81']],
    [ingress('task11', balancer(242), taskOf(11, { service: more })), []],
  ] as const) {
    await sandboxes.steer(table);
    expect(kernel.open()).toEqual(open);
  }
});
