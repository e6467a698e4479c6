import type { ServiceSpec, TaskTemplate } from '@shoal/state';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FakeBoard } from '../testing/fake-board.ts';

const cpus = (NanoCPUs: number): Partial<TaskTemplate> => ({
  Resources: { Reservations: { NanoCPUs: NanoCPUs * 1e9 } },
});
const Mounts = [{ Type: 'volume', Source: 'data', Target: '/data' } as const];

/** Services that refer to each other in every way there is. */
const services: Readonly<Record<string, Partial<TaskTemplate>>> = {
  plain: cpus(4),
  cache: {},
  high: cpus(6),
  low: cpus(5),
  data: { ...cpus(1), ContainerSpec: { Image: 'db', Mounts } },
};

const labels: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'shoal.priority': '5' },
  { 'shoal.priority': '-5' },
  { 'shoal.affinity': 'cache:hard' },
  { 'shoal.affinity': 'cache,plain', 'shoal.rank': 'free' },
  { 'shoal.anti-affinity': 'self:hard,low:hard' },
  { 'shoal.anti-affinity': 'plain:hard', 'shoal.priority': '1' },
  { 'shoal.depends-on': 'cache:healthy' },
  { 'shoal.depends-on': 'plain,absent', 'shoal.depends-on.recheck': 'true' },
  { 'shoal.depends-on': 'plain', 'shoal.depends-on.recheck': 'true', 'shoal.priority': '3' },
  { 'shoal.affinity': 'plain:hard', 'shoal.priority': '3' },
  { 'shoal.volume-sticky': 'false', 'shoal.rank': 'binpack' },
  { 'shoal.depends-on': 'data:completed', 'shoal.image-locality': 'true' },
];

const firstLabels: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  high: { 'shoal.priority': '5' },
  low: { 'shoal.priority': '-5' },
};

type Move = (board: FakeBoard) => void;

const serviceId = fc.constantFrom(...Object.keys(services));
const nodeId = fc.integer({ min: 1, max: 3 }).map((number) => `node${number}`);

function create(board: FakeBoard, id: string, Labels: Record<string, string>): void {
  const spec: Partial<ServiceSpec> = { Labels, Mode: { Replicated: { Replicas: 2 } } };
  if (board.state.view.services.get(id) === undefined) board.service(id, services[id], spec);
  else board.relabel(id, Labels);
}

const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ id: serviceId, count: fc.nat({ max: 3 }), slot: fc.nat({ max: 2 }) }).map(
    ({ id, count, slot }): Move =>
      (board) => {
        create(board, id, { ...currentLabels(board, id) });
        const revision = board.state.view.services.get(id)?.revision ?? 1;
        board.tasks(id, count, { revision, slot: slot + 1 });
      },
  ),
  fc.record({ id: serviceId, set: fc.constantFrom(...labels) }).map(
    ({ id, set }): Move =>
      (board) =>
        create(board, id, { ...set }),
  ),
  fc.record({ pick: fc.nat(), to: fc.constantFrom('running', 'complete', 'failed') }).map(
    ({ pick, to }): Move =>
      (board) => {
        const held = [...board.state.view.tasks.values()].filter(
          ({ nodeId, status }) => nodeId !== '' && /assigned|running/.test(status.state),
        );
        const task = held[pick % Math.max(1, held.length)];
        if (task !== undefined && (to !== 'running' || task.status.state === 'assigned'))
          board.report(task.id, task.displaced === undefined ? (to as 'running') : 'shutdown');
      },
  ),
  fc
    .record({ pick: fc.nat(), desired: fc.constantFrom('shutdown' as const, 'remove' as const) })
    .map(
      ({ pick, desired }): Move =>
        (board) => {
          const live = [...board.state.view.tasks.values()].filter((t) => t.desired === 'running');
          const task = live[pick % Math.max(1, live.length)];
          if (task !== undefined) board.changeTask(task.id, { desired });
        },
    ),
  fc.record({ id: nodeId, state: fc.constantFrom('ready' as const, 'down' as const) }).map(
    ({ id, state }): Move =>
      (board) => {
        if (board.state.view.nodes.get(id) === undefined) board.node(id);
        board.changeNode(id, ({ status }) => ({ status: { ...status, state } }));
      },
  ),
  fc.constantFrom({}, { 'shoal.volume-sticky': 'false' }, { 'shoal.rank': 'free' }).map(
    (set): Move =>
      (board) =>
        board.cluster({ ...set }),
  ),
);

function currentLabels(board: FakeBoard, id: string): Record<string, string> {
  const { view } = board.state;
  const service = view.services.get(id);
  return { ...(service && view.revisions.of(id, service.revision)?.spec.Labels) };
}

it('many small steps end where a look at everything ends, whatever the labels say', () => {
  const seen = { displaced: 0, homes: 0, gated: 0 };
  const refusals: string[] = [];
  fc.assert(
    fc.property(fc.array(move, { minLength: 5, maxLength: 40, size: 'max' }), (moves) => {
      const board = new FakeBoard();
      board.node('node1');
      board.node('node2');
      for (const id of Object.keys(services)) create(board, id, { ...firstLabels[id] });
      for (const make of moves) {
        make(board);
        board.schedule();
      }
      const tasks = [...board.state.view.tasks.values()];
      seen.displaced += tasks.filter((task) => task.displaced !== undefined).length;
      seen.gated += tasks.filter(({ status }) => status.err.startsWith('waits for')).length;
      seen.homes += board.state.view.volumeHomes.size;
      refusals.push(...board.refusals.map((refusal) => JSON.stringify(refusal)));
    }),
    { numRuns: 150 },
  );
  expect(refusals).toEqual([]);
  expect(seen.displaced).toBeGreaterThan(0);
  expect(seen.homes).toBeGreaterThan(0);
  expect(seen.gated).toBeGreaterThan(0);
});
