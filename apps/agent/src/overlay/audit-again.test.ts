import { silentLogger } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import { expect, test } from 'vitest';
import { network } from '../testing/networked-host.ts';
import { Upkeep, type UpkeepOptions } from './upkeep.ts';

test('a network that could not be built while an audit ran is tried again soon', async () => {
  const clock = new FakeClock();
  let built = 0;
  let endAudit: () => void = () => undefined;
  let first = true;
  let runs = 0;
  const fakeParts = {
    registry: { networks: [], network: () => undefined },
    built: {
      build: async () => {
        built += 1;
        return built === 1 ? { kind: 'failed', message: 'busy' } : { kind: 'ok' };
      },
      canBuild: () => true,
      audit: async () => ({ kind: 'ok' }),
      removeStrays: async () => undefined,
      idle: async () => undefined,
    },
    names: { found: () => undefined },
    audit: {
      run: async () => {
        runs += 1;
        if (first) {
          first = false;
          await new Promise<void>((end) => {
            endAudit = end;
          });
        }
        return [];
      },
    },
    look: async () => undefined,
    clock,
    logger: silentLogger,
  } as unknown as UpkeepOptions;
  const upkeep = new Upkeep(fakeParts);
  upkeep.auditIn(0);
  await clock.advance(10);
  expect(runs).toBe(1);
  // Meanwhile the dispatcher names a network, which cannot be built at once.
  await upkeep.build(network('n').id);
  endAudit();
  for (let ms = 0; ms < 5_000; ms += 100) await clock.advance(100);
  expect(runs).toBeGreaterThan(1);
  await upkeep.close();
});
