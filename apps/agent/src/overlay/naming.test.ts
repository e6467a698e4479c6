import { expect, test } from 'vitest';
import { Naming } from './naming.ts';

test('containers that start together are named by one look, and only one is under way', async () => {
  const pauses: (() => Promise<void>)[] = [];
  const looks: { readonly networkId: string; readonly end: () => void }[] = [];
  const naming = new Naming({
    name: (networkId) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      looks.push({ networkId, end: resolve });
      return promise;
    },
    later: (_ms, work) => void pauses.push(work),
  });
  const seen = (): readonly string[] => looks.map(({ networkId }) => networkId);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (const networkId of ['a', 'a', 'b', 'a']) naming.due(networkId);
  expect(pauses).toHaveLength(2);
  const ended = pauses.splice(0).map((pause) => pause());
  await turn();
  expect(seen()).toEqual(['a', 'b']);
  // Each pause after it ends while the first look is under way.
  for (let at = 0; at < 3; at += 1) {
    naming.due('a');
    ended.push(...pauses.splice(0).map((pause) => pause()));
    await turn();
  }
  expect(seen()).toEqual(['a', 'b']);
  looks[0]?.end();
  await turn();
  expect(seen()).toEqual(['a', 'b', 'a']);
  for (const { end } of looks) end();
  await Promise.all(ended);
  expect(looks).toHaveLength(3);
});
