import { nodeRemoval, type ServiceSpec, type TaskTemplate } from '@shoal/state';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FakeBoard } from './testing/fake-board.ts';

interface Needs {
  readonly template: Partial<TaskTemplate>;
  readonly spec?: Partial<ServiceSpec>;
}

const needs: Readonly<Record<string, Needs>> = {
  plain: { template: {} },
  hungry: { template: { Resources: { Reservations: { NanoCPUs: 3e9 } } } },
  ssd: { template: { Placement: { Constraints: ['node.labels.disk==ssd'] } } },
  spread: {
    template: {
      Placement: { Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.disk' } }] },
    },
  },
  few: { template: { Placement: { MaxReplicas: 1 } } },
  port: {
    template: {},
    spec: {
      EndpointSpec: {
        Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 80, PublishMode: 'host' }],
      },
    },
  },
};

type Move = (board: FakeBoard) => void;

const nodeId = fc.integer({ min: 1, max: 4 }).map((number) => `node${number}`);

function change(id: string, board: FakeBoard, parts: Parameters<FakeBoard['changeNode']>[1]): void {
  if (board.state.view.nodes.get(id) === undefined) board.node(id);
  board.changeNode(id, parts);
}

/** Between a decision and its commit. */
function replaceMeanwhile(id: string, board: FakeBoard): void {
  board.meanwhile = () => {
    const { nodes } = board.state.view;
    const node = nodes.get(id);
    if (node === undefined) return;
    board.write(nodeRemoval(board.state.view, node, board.now));
    const free = ['node5', 'node6', 'node7'].find((other) => nodes.get(other) === undefined);
    if (free !== undefined) board.node(free);
  };
}

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ id: fc.constantFrom(...Object.keys(needs)), count: fc.nat({ max: 5 }) }).map(
    ({ id, count }): Move =>
      (board) => {
        board.tasks(id, count);
      },
  ),
  fc.nat().map(
    (pick): Move =>
      (board) => {
        const held = [...board.state.view.tasks.byState('assigned')];
        const task = held[pick % Math.max(1, held.length)];
        if (task !== undefined) board.end(task.id);
      },
  ),
  fc.record({ id: nodeId, disk: fc.constantFrom('ssd', 'hdd') }).map(
    ({ id, disk }): Move =>
      (board) => {
        change(id, board, ({ spec }) => ({ spec: { ...spec, Labels: { disk } } }));
      },
  ),
  fc.record({ id: nodeId, state: fc.constantFrom('ready' as const, 'down' as const) }).map(
    ({ id, state }): Move =>
      (board) => {
        change(id, board, ({ status }) => ({ status: { ...status, state } }));
      },
  ),
  fc.record({ id: nodeId, cpus: fc.integer({ min: 0, max: 9 }) }).map(
    ({ id, cpus }): Move =>
      (board) => {
        change(id, board, ({ description }) => ({
          description: description && { ...description, Resources: { NanoCPUs: cpus * 1e9 } },
        }));
      },
  ),
);

const race: fc.Arbitrary<Move> = nodeId.map(
  (id): Move =>
    (board) =>
      replaceMeanwhile(id, board),
);

it.each([
  { what: 'and nothing is refused', moves: fc.array(move, { maxLength: 30 }), refused: [] },
  {
    what: 'also when nodes go in the middle of a step',
    moves: fc.array(fc.oneof({ weight: 4, arbitrary: move }, race), { maxLength: 30 }),
    refused: ['missing-reference'],
  },
])('many small steps end where a look at everything ends, $what', ({ moves: some, refused }) => {
  fc.assert(
    fc.property(some, (moves) => {
      const board = new FakeBoard();
      for (const [id, { template, spec }] of Object.entries(needs))
        board.service(id, template, spec);
      for (const make of moves) {
        make(board);
        board.schedule();
      }
      for (const { kind } of board.refusals) expect(refused).toContain(kind);
    }),
    { numRuns: 200 },
  );
});
