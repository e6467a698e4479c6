import type { NodeUsage, StateView } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { FakeBoard } from './testing/fake-board.ts';

const nodes = 500;
const replicas = 1_000;

/** The state, with every look at what is taken on a node counted. */
class Watched {
  looks = 0;
  readonly view: StateView;

  constructor(view: StateView) {
    const usage = (nodeId: string): NodeUsage =>
      new Proxy(view.usage(nodeId), {
        get: (target, name) => {
          if (name === 'nanoCpus') this.looks += 1;
          return Reflect.get(target, name);
        },
      });
    this.view = new Proxy(view, {
      get: (target, name) => (name === 'usage' ? usage : Reflect.get(target, name)),
    });
  }
}

/** A settled cluster, and how many looks at nodes the steps after `move` take. */
function looksAfter(
  template: object,
  move: (board: FakeBoard) => void,
  prepare: (board: FakeBoard) => void = () => undefined,
): number {
  const board = new FakeBoard();
  for (let at = 0; at < nodes; at += 1)
    board.node(`node${at}`, { labels: { zone: `${at % 5}` }, cpus: 1_000 });
  board.service('web', { Resources: { Reservations: { NanoCPUs: 1e9 } }, ...template });
  const watched = new Watched(board.state.view);
  board.seen = watched.view;
  board.tasks('web', replicas);
  board.schedule();
  expect(Object.values(board.counts()).every((tasks) => tasks === replicas / nodes)).toBe(true);
  // The first task after a placement of many finds what is known; from then on it is kept.
  board.tasks('web', 1);
  board.schedule();
  prepare(board);
  board.schedule();
  watched.looks = 0;
  move(board);
  board.schedule();
  return watched.looks;
}

const zones = {
  Placement: { Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }] },
};

describe('the cost of a step grows with what changed, not with the cluster', () => {
  it.each([
    { rule: 'one more task of a service that is everywhere', template: {} },
    { rule: 'the same with spread preferences', template: zones },
  ])('$rule: a few nodes are looked at', ({ template }) => {
    expect(looksAfter(template, (board) => board.tasks('web', 1))).toBeLessThan(20);
  });

  it('a task of a new service: a few nodes are looked at', () => {
    const looks = looksAfter({}, (board) => {
      board.service('new', { Resources: { Reservations: { NanoCPUs: 1e9 } } });
      board.tasks('new', 1);
    });
    expect(looks).toBeLessThan(20);
  });

  it('a service that waits: only the node that changed is looked at', () => {
    const looks = looksAfter(
      {},
      (board) =>
        board.changeNode('node7', ({ spec }) => ({ spec: { ...spec, Labels: { new: '1' } } })),
      (board) => {
        board.service('huge', { Resources: { Reservations: { NanoCPUs: 1e15 } } });
        board.tasks('huge', 50);
      },
    );
    expect(looks).toBeLessThan(20);
  });
});
