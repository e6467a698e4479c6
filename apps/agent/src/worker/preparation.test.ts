import { silentLogger } from '@shoal/runtime';
import { expect, test } from 'vitest';
import type { EngineFailure } from '../executor/engine.ts';
import { TaskFiles } from '../files/task-files.ts';
import { noNetworking } from '../network/task-networking.ts';
import { FakeEngine } from '../testing/fake-engine.ts';
import { sampleAssignment, sampleNode } from '../testing/sample-task.ts';
import type { Attempt } from './attempt.ts';
import { prepare } from './preparation.ts';

test.each<[EngineFailure['kind'], Attempt]>([
  ['unreachable', { kind: 'retry', message: 'of the pull' }],
  ['refused', { kind: 'fatal', message: 'No such image: i (host-2 was silent)' }],
  ['not-found', { kind: 'fatal', message: 'No such image: i (host-2 was silent)' }],
])('a pull that ends as %s', async (kind, attempt) => {
  const engine = new FakeEngine();
  const missing = { kind: 'not-found', message: 'No such image: i' } as const;
  const parts = {
    engine: Object.assign(engine, { create: async () => ({ kind: 'failed', failure: missing }) }),
    networking: noNetworking,
    files: new TaskFiles({
      folder: async () => ({ kind: 'none', message: 'not asked for' }),
      fetch: async () => [],
    }),
    node: () => sampleNode,
    pull: async () => ({
      kind: 'failed' as const,
      failure: { kind, message: 'of the pull' },
      reasons: ['host-2 was silent'],
    }),
    logger: silentLogger,
  };
  const { signal } = new AbortController();
  expect(await prepare(parts, sampleAssignment(), signal, () => undefined)).toEqual(attempt);
});
