import { expectIncrementalEqualsWhole } from '@shoal/stage/testing';
import {
  addressOf,
  attachedNetworks,
  attachmentsOf,
  type Change,
  isTerminal,
  overlaps,
  type StateView,
  subnetBlocks,
  type TaskState,
} from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAllocator } from './allocator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import {
  cluster,
  container,
  hostPort,
  ingressPort,
  moved,
  network,
  node,
  openPort,
  type Parts,
  removed,
  service,
  subnet,
  task,
  updated,
} from './testing/objects.ts';

type Move = (view: StateView) => readonly Change[];

const services = fc.constantFrom('s1', 's2', 's3');
const networkIds = fc.constantFrom('small', 'wide', 'dual', 'ingress');
const nodes = fc.constantFrom('n1', 'n2');
const tasks = fc.constantFrom('t1', 't2', 't3', 't4', 't5', 't6');
const containers = fc.constantFrom('c1', 'c2');

const parts: fc.Arbitrary<Parts> = fc.record({
  networks: fc.subarray(['small', 'wide', 'dual', 'host']),
  ports: fc.subarray([hostPort, ingressPort, openPort, { ...ingressPort, TargetPort: 81 }], {
    maxLength: 2,
  }),
  mode: fc.constantFrom('vip' as const, 'vip' as const, 'dnsrr' as const),
});

/** What is not there cannot be attached to: the state would refuse it. */
function present(view: StateView, { networks = [], ...rest }: Parts): Parts {
  return { ...rest, networks: networks.filter((id) => view.networks.get(id) !== undefined) };
}

function created(id: string): Change {
  if (id === 'small') return subnet(id, '10.0.0.0/29');
  if (id === 'wide') return network(id);
  if (id === 'ingress') return network(id, { Ingress: true });
  if (id === 'host') return network(id, { Predefined: true, Driver: 'host' });
  return network(id, { EnableIPv6: true });
}

const states = fc.constantFrom<TaskState>('assigned', 'running', 'running', 'failed', 'shutdown');

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: networkIds.map((id) => () => [created(id)]) },
  {
    weight: 1,
    arbitrary: networkIds.map((id) => (view: StateView) => removed(view, 'network', id)),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(services, parts).map(
      ([id, all]) =>
        (view: StateView) =>
          service(id, present(view, all)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(services, parts).map(
      ([id, all]) =>
        (view: StateView) =>
          updated(view, id, present(view, all)),
    ),
  },
  { weight: 1, arbitrary: services.map((id) => (view: StateView) => removed(view, 'service', id)) },
  {
    weight: 8,
    arbitrary: fc.tuple(tasks, services).map(([id, serviceId]) => (view: StateView) => {
      const current = view.services.get(serviceId);
      return [task(id, serviceId, { revision: current?.revision ?? 1 })];
    }),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(tasks, states, nodes).map(
      ([id, state, on]) =>
        (view: StateView) =>
          moved(view, id, state, on),
    ),
  },
  { weight: 3, arbitrary: tasks.map((id) => (view: StateView) => removed(view, 'task', id)) },
  { weight: 2, arbitrary: nodes.map((id) => () => [node(id)]) },
  { weight: 1, arbitrary: nodes.map((id) => (view: StateView) => removed(view, 'node', id)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        containers,
        fc.constantFrom('small', 'small', 'small', 'wide', 'dual', 'ingress'),
        nodes,
        fc.constantFrom(undefined, '10.0.0.3', '10.0.0.4'),
      )
      .map(([id, networkId, on, wanted]) => () => [container(id, networkId, on, wanted)]),
  },
  {
    weight: 1,
    arbitrary: containers.map((id) => (view: StateView) => removed(view, 'attachment', id)),
  },
);

/** The pools have not room for all networks at once. */
const beginning: Move = () => [
  cluster(['10.0.0.0/23', '10.0.4.0/24'], 24),
  created('host'),
  created('small'),
  node('n1'),
];

const moves: fc.Arbitrary<readonly Move[]> = fc
  .array(move, { minLength: 1, maxLength: 60, size: 'max' })
  .map((all) => [beginning, ...all]);

/** Every address that is anybody's, by network. */
function everyAddress(view: StateView): readonly string[] {
  const all: string[] = [];
  const note = (networkId: string, text: string): number =>
    all.push(`${networkId} ${addressOf(text)}`);
  for (const { id, allocation } of view.networks.values())
    for (const { gateway } of allocation?.subnets ?? []) note(id, gateway);
  for (const { endpoint } of view.services.values())
    for (const { networkId, addr } of endpoint.virtualIps) note(networkId, addr);
  for (const { status, networks = [] } of view.tasks.values())
    if (!isTerminal(status.state))
      for (const { networkId, addresses } of networks)
        for (const text of addresses) note(networkId, text);
  for (const { networkId, addresses } of view.attachments.values())
    for (const text of addresses) note(networkId, text);
  return all;
}

function expectSound(view: StateView): void {
  const all = everyAddress(view);
  expect(all.toSorted()).toEqual([...new Set(all)].sort());
  const ranges = [...view.networks.values()].flatMap(({ allocation }) => subnetBlocks(allocation));
  for (const [at, { range }] of ranges.entries())
    for (const other of ranges.slice(0, at)) expect(overlaps(range, other.range)).toBe(false);
}

/** No service has a virtual address where it is not and no task of it is. */
function expectNeeded(view: StateView): void {
  for (const { id, revision, endpoint } of view.services.values()) {
    const current = view.revisions.of(id, revision);
    if (current === undefined || endpoint.revision !== revision) continue;
    const needed = new Set(attachedNetworks(view, current));
    for (const task of view.tasks.byService(id))
      for (const { networkId } of attachmentsOf(task)) needed.add(networkId);
    for (const { networkId } of endpoint.virtualIps) expect(needed).toContain(networkId);
  }
}

/** The moves, as far as the state takes them. `heard` gets what tasks and attachments say. */
function play(swarm: FakeSwarm, sequence: readonly Move[], heard: Set<string>): void {
  const { view } = swarm;
  for (const one of sequence) {
    swarm.attempt(...one(view));
    expectSound(view);
    expectNeeded(view);
    for (const { status } of view.tasks.values()) heard.add(status.err);
    for (const { problem = '' } of view.attachments.values()) heard.add(problem);
  }
}

/** What tasks and attachments wait for in one sequence or another. */
const sentences = [
  /^ingress network is missing/,
  /has no free address left in 10.0.0.0\/29/,
  /^no free subnet of size \/24 is left in 10.0.0.0\/23, 10.0.4.0\/24/,
  /^port tcp\/8080 is published by service s[123] already/,
  /^address 10.0.0.[34] is taken in network name of (small|wide)/,
];

/** Two seconds at rest; machines that test are rarely at rest. */
const timeoutMs = 120_000;

describe('many small steps', { timeout: timeoutMs }, () => {
  it('end where a look at everything ends', () => {
    fc.assert(
      fc.property(moves, (sequence) => {
        expectIncrementalEqualsWhole({ stage: createAllocator, moves: sequence });
      }),
      { numRuns: 150 },
    );
  });
});

describe('whatever happens', { timeout: timeoutMs }, () => {
  it('no address is given twice, no subnet overlaps, and with everybody gone nothing is left', () => {
    let given = 0;
    const heard = new Set<string>();
    fc.assert(
      fc.property(moves, (sequence) => {
        const swarm = new FakeSwarm();
        play(swarm, sequence, heard);
        const { view } = swarm;
        given += everyAddress(view).length;
        for (const { id } of [...view.tasks.values()]) swarm.write(...removed(view, 'task', id));
        for (const { id } of [...view.services.values()])
          swarm.write(...removed(view, 'service', id));
        for (const { id, kind } of [...view.attachments.values()])
          if (kind === 'container') swarm.write(...removed(view, 'attachment', id));
        for (const { id } of [...view.nodes.values()]) swarm.write(...removed(view, 'node', id));
        expect([...view.attachments.values()]).toEqual([]);
        expect(view.ingressPorts.size).toBe(0);
        for (const { id } of [...view.networks.values()]) {
          const own = view.networks.get(id)?.allocation?.subnets.length ?? 0;
          expect([...view.addresses(id).addresses()]).toHaveLength(own);
          swarm.write(...removed(view, 'network', id));
          expect([...view.addresses(id).addresses()]).toEqual([]);
        }
        expect(view.vnis.size).toBe(0);
      }),
      { numRuns: 250 },
    );
    expect(given).toBeGreaterThan(500);
    for (const sentence of sentences)
      expect([...heard]).toContainEqual(expect.stringMatching(sentence));
  });
});
