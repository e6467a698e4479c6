import { nodeRemoval } from '@shoal/state';
import { expect, it } from 'vitest';
import { FakeBoard } from './testing/fake-board.ts';

/** Between a decision and its commit the node is removed by force, and another one joins. */
function replaceNode(board: FakeBoard, id: string, by: string): void {
  board.meanwhile = () => {
    const node = board.state.view.nodes.get(id);
    if (node === undefined) throw new Error(`no ${id}`);
    board.write(nodeRemoval(board.state.view, node, board.now));
    board.node(by);
  };
}

it('tasks go to the node that joined as the one was removed that they were meant for', () => {
  const board = new FakeBoard();
  board.service(
    'port',
    {},
    {
      EndpointSpec: {
        Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 80, PublishMode: 'host' }],
      },
    },
  );
  board.node('node1');
  replaceNode(board, 'node1', 'node2');
  board.tasks('port', 2);
  board.schedule();
  expect(board.counts('port')).toEqual({ node2: 1 });
});

it('nothing is decided again and again for a node that is gone', () => {
  const board = new FakeBoard();
  board.service('plain', {}, {});
  board.service('spread', {
    Placement: { Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.disk' } }] },
  });
  board.node('node1');
  board.tasks('spread', 3);
  board.schedule();
  replaceNode(board, 'node1', 'node2');
  board.tasks('spread', 2);
  board.schedule();
  expect(board.counts()).toMatchObject({ node2: 2 });
});
