import type { Service } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { FakeBoard } from '../testing/fake-board.ts';
import { PolicyBook } from './book.ts';

/** Services a to d: b waits for a, c for b, d for nobody yet; all but c have tasks to place. */
function boardAndBook(): { board: FakeBoard; book: PolicyBook } {
  const board = new FakeBoard();
  board.node('node1');
  for (const [id, on] of [
    ['a', undefined],
    ['b', 'a'],
    ['c', 'b'],
    ['d', 'missing'],
  ] as const)
    board.service(id, {}, { Labels: on === undefined ? {} : { 'shoal.depends-on': on } });
  for (const id of ['a', 'b', 'd']) board.tasks(id, 1);
  const book = new PolicyBook();
  book.rebuild(board.state.view);
  return { board, book };
}

/** The services that the book has looked at again after the change of one. */
function concerned(id: string, change: (board: FakeBoard) => void): readonly string[] {
  const { board, book } = boardAndBook();
  const { view } = board.state;
  const before: Service | undefined = view.services.get(id);
  change(board);
  const after = view.services.get(id);
  return [...new Set(book.apply(view, { table: 'service', id, before, after }))].sort();
}

describe('a service that changes', () => {
  it.each([
    {
      what: 'but in what it waits for concerns itself and who names it',
      id: 'b',
      change: (board: FakeBoard) =>
        board.relabel('b', { 'shoal.depends-on': 'a' }, { ForceUpdate: 1 }),
      services: ['b', 'c'],
    },
    {
      what: 'in what it waits for may close a circle: whoever waits for others is looked at',
      id: 'c',
      change: (board: FakeBoard) => board.relabel('c', { 'shoal.depends-on': 'd' }),
      services: ['b', 'c', 'd'],
    },
    {
      what: 'and that others name, when it comes',
      id: 'missing',
      change: (board: FakeBoard) => board.service('missing'),
      services: ['b', 'd', 'missing'],
    },
    {
      what: 'and that nobody names, when it comes',
      id: 'other',
      change: (board: FakeBoard) => board.service('other'),
      services: ['other'],
    },
  ])('$what', ({ id, change, services }) => {
    expect(concerned(id, change)).toEqual(services);
  });
});
