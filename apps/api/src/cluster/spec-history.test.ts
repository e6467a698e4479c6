import type { LogIndex } from '@shoal/runtime';
import type { ReplicaEvent } from '@shoal/stage';
import type { AppliedChange, TableName } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { SpecHistory } from './spec-history.ts';

/** An object of one of the tables, as far as histories look at it. */
interface FakeObject {
  readonly [member: string]: unknown;
}

let listener: (event: ReplicaEvent) => void;
let history: SpecHistory;
let index: number;

beforeEach(() => {
  index = 0;
  history = new SpecHistory({
    subscribe: (heard) => {
      listener = heard;
      return () => undefined;
    },
  });
});

const at = (version: number, object: FakeObject) => ({
  ...object,
  id: 'one',
  meta: { version: version as LogIndex, createdAt: 0, updatedAt: 0 } as never,
});

/** Applies one more entry; undefined: the object is not there. */
function apply(table: TableName, before?: FakeObject, after?: FakeObject): void {
  const change = {
    table,
    id: 'one',
    before: before && at(index, before),
    after: after && at(index + 1, after),
  };
  index += 1;
  const entry = { index: index as LogIndex, time: 0 as never, outcomes: [] };
  listener({ kind: 'applied', entry: { ...entry, changes: [change as unknown as AppliedChange] } });
}

/** The versions that an update may come with. */
function accepted(): readonly number[] {
  return Array.from({ length: index + 2 }, (_, version) => version).filter((version) => {
    try {
      history.checkRead(at(index, {}), version as LogIndex);
      return true;
    } catch (error) {
      expect(String(error)).toContain('update out of sequence');
      return false;
    }
  });
}

const rootCa = { certificate: 'root' };
const cluster = { spec: { Name: 'default' }, joinTokens: { worker: 'w' }, rootCa };

test.each<[string, TableName, FakeObject, FakeObject, boolean]>([
  ['a node’s status', 'node', { spec: { Role: 'worker' } }, { status: 'ready' }, true],
  ['a node’s spec', 'node', { spec: { Role: 'worker' } }, { spec: { Role: 'manager' } }, false],
  ['how far an update is', 'service', { revision: 1 }, { updateStatus: 'updating' }, true],
  ['a revision', 'service', { revision: 1 }, { revision: 2 }, false],
  ['whom the swarm has removed', 'cluster', cluster, { removedNodes: { a: 1 } }, true],
  ['the swarm’s spec', 'cluster', cluster, { spec: { Name: 'other' } }, false],
  ['a token', 'cluster', cluster, { joinTokens: { worker: 'x' } }, false],
  ['the unlock key', 'cluster', cluster, { unlockKey: { version: 4 } }, false],
  ['a root on its way in', 'cluster', cluster, { rootCa: { ...rootCa, rotation: {} } }, false],
])('%s', (_what, table, object, difference, isKept) => {
  apply(table, undefined, object);
  const made = index;
  apply(table, object, { ...object, ...difference });
  const written = index;
  apply(table, { ...object, ...difference }, structuredClone({ ...object, ...difference }));
  expect(accepted()).toEqual(isKept ? [made, written, index] : [written, index]);
});

test('of an object that was there before, the version before the first change counts', () => {
  index = 7;
  expect(accepted()).toEqual([7]);
  apply('service', { revision: 1 }, { revision: 1 });
  expect(accepted()).toEqual([7, 8]);
});

test('what is made again under the same id has no past', () => {
  apply('node', undefined, { spec: 1 });
  apply('node', { spec: 1 }, undefined);
  apply('node', undefined, { spec: 1 });
  expect(accepted()).toEqual([3]);
});

test('what was deleted is forgotten', () => {
  apply('node', undefined, { spec: 1 });
  apply('node', { spec: 1 }, undefined);
  expect(accepted()).toEqual([2]);
});

test('after a snapshot only the newest version counts', () => {
  apply('node', undefined, { spec: 1 });
  apply('node', { spec: 1 }, { spec: 1 });
  expect(accepted()).toEqual([1, 2]);
  listener({ kind: 'reset', index: 2 as LogIndex });
  expect(accepted()).toEqual([2]);
});
