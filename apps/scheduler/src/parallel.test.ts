import { capacityOf, replicasOnNode, type StateView, type TaskTemplate } from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScheduler } from './scheduler.ts';
import { FakeBoard } from './testing/fake-board.ts';
import { FakeRace } from './testing/fake-race.ts';

const maxReplicas = 2;

const templates: readonly Partial<TaskTemplate>[] = [
  {},
  { Resources: { Reservations: { NanoCPUs: 3e9 } } },
  { Resources: { Reservations: { NanoCPUs: 2e9, MemoryBytes: 6e9 } } },
  { Placement: { MaxReplicas: maxReplicas } },
  { Placement: { Constraints: ['node.labels.disk==ssd'] } },
  {
    Resources: {
      Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }] },
    },
  },
];

function world(services: number, nodes: number, tasks: number): FakeBoard {
  const board = new FakeBoard();
  const named = ['a', 'b'].map((Value) => ({ NamedResourceSpec: { Kind: 'gpu', Value } }));
  for (let at = 0; at < nodes; at += 1) {
    board.node(`node${at}`, { labels: { disk: at % 2 === 0 ? 'ssd' : 'hdd' } });
    board.changeNode(`node${at}`, ({ description }) => ({
      description: description && {
        ...description,
        Resources: { ...description.Resources, GenericResources: named },
      },
    }));
  }
  for (let at = 0; at < services; at += 1) {
    board.service(`service${at}`, templates[at % templates.length]);
    board.tasks(`service${at}`, tasks);
  }
  return board;
}

function checkNothingIsOverCommitted(view: StateView, services: number): void {
  for (const node of view.nodes.values()) {
    const used = view.usage(node.id);
    const has = capacityOf(node);
    expect(used.nanoCpus).toBeLessThanOrEqual(has.nanoCpus);
    expect(used.memoryBytes).toBeLessThanOrEqual(has.memoryBytes);
    const names = [...view.tasks.byNode(node.id)].flatMap((task) => task.genericResources ?? []);
    expect(new Set(names.map((name) => JSON.stringify(name))).size).toBe(names.length);
    expect(used.generic.get('gpu') ?? 0).toBe(names.length);
    for (let at = 0; at < services; at += 1)
      if (templates[at % templates.length]?.Placement?.MaxReplicas !== undefined)
        expect(replicasOnNode(view, node.id, `service${at}`)).toBeLessThanOrEqual(maxReplicas);
  }
}

/** A scheduler that has just begun must find nothing that could still be placed. */
function checkNothingIsLeftBehind(board: FakeBoard, race: FakeRace): void {
  const everything = { everything: true, changes: [], due: new Set<string>() };
  const { view } = board.state;
  const more = [...createScheduler().step(view, everything, race.now, () => true)];
  expect(more.filter(({ kind }) => kind === 'transaction')).toEqual([]);
  for (const { status } of view.tasks.byState('pending')) expect(status.err).not.toBe('');
}

describe.each([1, 2, 4, 8])('%i schedulers that decide at the same time', (count) => {
  it.each([
    { rule: 'dividing the services', allClaimAll: false },
    { rule: 'all claiming all services', allClaimAll: true },
  ])('$rule: never an over-committed node, never a task left behind', ({ allClaimAll }) => {
    const services = 12;
    const board = world(services, 4, 6);
    const race = new FakeRace(board.state, count, allClaimAll);
    race.settle();
    checkNothingIsOverCommitted(board.state.view, services);
    checkNothingIsLeftBehind(board, race);
    if (count > 1 && allClaimAll) expect(race.refusals.length).toBeGreaterThan(0);
  });
});

it('schedulers that crash between rounds leave nothing behind', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ rounds: fc.nat({ max: 3 }), at: fc.nat() }), { maxLength: 3 }),
      fc.integer({ min: 1, max: 9 }),
      (crashes, nodes) => {
        const board = world(6, nodes, 4);
        const race = new FakeRace(board.state, 4);
        for (const { rounds, at } of crashes) {
          for (let round = 0; round < rounds; round += 1) race.round();
          race.crash(at);
        }
        race.settle();
        checkNothingIsOverCommitted(board.state.view, 6);
        checkNothingIsLeftBehind(board, race);
      },
    ),
    { numRuns: 40 },
  );
});
