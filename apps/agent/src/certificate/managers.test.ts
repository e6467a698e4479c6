import fc from 'fast-check';
import { expect, test } from 'vitest';
import { managerAddresses } from './managers.ts';

const port = (id: string, kind: string): string => `${id}${kind}:1`;
const nodeId = fc.constantFrom('a', 'b', 'c');
const told = fc.record({
  nodeId,
  logAddr: fc.boolean(),
  dispatcherAddr: fc.boolean(),
});

test('one row a manager, sorted, whatever order and however many dispatchers they have', () => {
  fc.assert(
    fc.property(fc.array(told, { maxLength: 8 }), (rows) => {
      const managers = rows.map((row) => ({
        nodeId: row.nodeId,
        logAddr: row.logAddr ? port(row.nodeId, 'log') : '',
        dispatcherAddr: row.dispatcherAddr ? port(row.nodeId, 'dispatcher') : '',
      }));
      const known = [{ nodeId: 'k', logAddr: 'k:1', dispatcherAddr: 'k:2' }];
      const found = managerAddresses(managers, known);
      const expected = new Set(managers.flatMap((one) => (one.logAddr === '' ? [] : [one.nodeId])));
      if (expected.size === 0) expect(found).toEqual(known);
      else expect(found.map((one) => one.nodeId)).toEqual([...expected].sort());
      for (const one of found) expect(one.dispatcherAddr).not.toBe('');
    }),
  );
});

test('a manager whose dispatcher is away keeps the address it had, or gets the usual one', () => {
  const known = [{ nodeId: 'a', logAddr: '10.0.0.1:2377', dispatcherAddr: '10.0.0.1:9999' }];
  const away = { nodeId: 'a', logAddr: '10.0.0.1:2377', dispatcherAddr: '' };
  expect(managerAddresses([away], known)).toEqual(known);
  expect(managerAddresses([away], [])).toEqual([{ ...away, dispatcherAddr: '10.0.0.1:2378' }]);
});
