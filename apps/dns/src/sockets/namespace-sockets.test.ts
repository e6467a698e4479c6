import { systemClock } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { namespaceBinder } from './namespace-sockets.ts';

test.each([
  ['is not there', '/run/netns/shoal-nothing'],
  // Node throws for this one instead of telling of an error.
  ['has a name that no process can be given', 'x'.repeat(200_000)],
])('sockets in a namespace that %s are refused with a reason', async (_what, namespace) => {
  const bound = await namespaceBinder(systemClock, 53)(namespace, ['127.0.0.1']);
  expect(bound).toEqual({ kind: 'failed', reason: expect.stringMatching(/./) });
});
