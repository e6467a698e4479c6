import { describe, expect, test } from 'vitest';
import { createScheduler } from '../scheduler.ts';
import { FakeBoard } from '../testing/fake-board.ts';
import type { GroupDecision } from './decision.ts';
import { lookAfresh } from './look.ts';
import { DecisionRecorder, lookNodesMax } from './recorder.ts';
import { DecisionStore } from './store.ts';

/** One step over everything, and what was written down about the service. */
function recorded(board: FakeBoard, service: string): readonly GroupDecision[] {
  const store = new DecisionStore();
  const stage = createScheduler({ recorder: new DecisionRecorder(store) });
  const everything = { everything: true, changes: [], due: new Set<string>() };
  for (const _decision of stage.step(board.state.view, everything, board.now, () => true));
  return store.find(service, new Set(), 10);
}

function boardOf(nodes: number): FakeBoard {
  const board = new FakeBoard();
  for (let at = 1; at <= nodes; at += 1) board.node(`node${at}`);
  return board;
}

describe('a record', () => {
  test('shows the nodes as they were before, the chosen one first', () => {
    const board = boardOf(3);
    board.service('web');
    board.placed('web', 'node1');
    board.service('other');
    board.placed('other', 'node2');
    const [id] = board.tasks('web', 1);
    const [decision] = recorded(board, 'web');
    expect(decision).toMatchObject({
      revision: 1,
      at: board.now,
      logIndex: board.state.view.index,
      placed: [{ taskId: id, nodeId: 'node3' }],
      waiting: [],
      err: '',
    });
    const nodes = decision?.look?.candidates.map(({ nodeId, ofService, total, fails }) => [
      nodeId,
      ofService,
      total,
      fails,
    ]);
    expect(nodes).toContainEqual(['node3', 0, 0, '']);
    expect(nodes).toContainEqual(['node2', 0, 1, '']);
    expect(nodes).toContainEqual(['node1', 1, 1, '']);
  });

  test('of tasks that wait names the filters, and what each node lacks', () => {
    const board = new FakeBoard();
    board.node('small', { cpus: 1 });
    board.node('off', { change: { spec: { Labels: {}, Role: 'worker', Availability: 'drain' } } });
    board.service('big', { Resources: { Reservations: { NanoCPUs: 4e9 } } });
    const ids = board.tasks('big', 2);
    const [decision] = recorded(board, 'big');
    expect(decision).toMatchObject({
      placed: [],
      waiting: ids,
      err: expect.stringContaining('no suitable node'),
      look: {
        nodes: 2,
        fitting: 0,
        filters: [
          { filter: 'ready', nodes: 1 },
          { filter: 'resources', nodes: 1 },
        ],
      },
    });
    const small = decision?.look?.candidates.find(({ nodeId }) => nodeId === 'small');
    expect(small).toMatchObject({ fails: 'resources', lacks: expect.stringMatching(/CPU/i) });
  });

  test('is made once for all tasks of a revision', () => {
    const board = boardOf(2);
    board.service('web');
    board.tasks('web', 40);
    const decisions = recorded(board, 'web');
    expect(decisions).toHaveLength(1);
    expect(decisions[0]?.placed).toHaveLength(40);
  });

  test('leaves the nodes out where there are too many to look at', () => {
    const board = boardOf(lookNodesMax + 1);
    board.service('web');
    board.tasks('web', 1);
    expect(recorded(board, 'web')).toMatchObject([{ placed: [{}], look: undefined }]);
  });
});

test('a look at the state as it is now agrees with where the next task goes', () => {
  const board = boardOf(4);
  board.service('web');
  for (const node of ['node1', 'node2', 'node4']) board.placed('web', node);
  const { view } = board.state;
  const revision = view.revisions.of('web', 1);
  if (revision === undefined) throw new Error('no revision');
  const look = lookAfresh(view, revision, board.now);
  const [id = ''] = board.tasks('web', 1);
  board.schedule();
  expect(look.candidates[0]?.nodeId).toBe(board.task(id).nodeId);
  expect(look.fitting).toBe(4);
});
