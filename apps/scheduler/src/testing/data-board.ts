import { FakeBoard } from './fake-board.ts';

/** A container with the named volume `data`. */
export const onData = (more: object = {}) => ({
  ContainerSpec: {
    Image: 'postgres',
    Mounts: [{ Type: 'volume' as const, Source: 'data', Target: '/data', ...more }],
  },
});

export function boardOf(...nodes: readonly string[]): FakeBoard {
  const board = new FakeBoard();
  for (const id of nodes) board.node(id);
  return board;
}

/** A service whose slot 1 runs on node1, with its data. */
export function settled(labels: Record<string, string> = {}): { board: FakeBoard; task: string } {
  const board = boardOf('node1');
  board.service('db', onData(), { Labels: labels });
  const [task = ''] = board.tasks('db', 1, { slot: 1 });
  board.schedule();
  board.report(task, 'running');
  board.node('node2');
  return { board, task };
}

export function homes(board: FakeBoard): object {
  const { volumeHomes } = board.state.view;
  return Object.fromEntries(Array.from(volumeHomes.values(), ({ id, nodeId }) => [id, nodeId]));
}

export function setState(board: FakeBoard, id: string, state: 'ready' | 'down'): void {
  board.changeNode(id, ({ status }) => ({ status: { ...status, state } }));
}

export function setAvailability(
  board: FakeBoard,
  id: string,
  Availability: 'active' | 'pause',
): void {
  board.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability } }));
}
