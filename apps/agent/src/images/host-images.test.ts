import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { EngineImages } from './engine-images.ts';
import { HostImages } from './host-images.ts';
import { imageMetrics } from './image-metrics.ts';
import { tellings } from './limits.ts';

test('changes are told at once, many of them at a pace, and none after the end', async () => {
  const clock = new FakeClock(0);
  let changed = (): void => undefined;
  const watch: EngineImages['watch'] = (_signal, _clock, listener) => {
    changed = listener;
  };
  const host = new HostImages({
    images: { watch } as EngineImages,
    link: {
      request: () => {
        throw new Error('nobody is asked');
      },
    },
    port: 7946,
    bytesPerSecond: 1,
    ...{ clock, random: systemRandom, logger: silentLogger },
    metrics: imageMetrics(new Registry()),
  });
  let told = 0;
  host.onChange(() => {
    told += 1;
  });
  changed();
  changed();
  await clock.advance(1);
  expect(told).toBe(1);
  for (let at = 0; at < 40; at += 1) {
    changed();
    await clock.advance(1);
  }
  expect(told).toBe(tellings.inARow);
  await clock.advance(tellings.everyMs);
  expect(told).toBe(tellings.inARow + 1);
  changed();
  host.stop();
  await clock.advance(10 * tellings.everyMs);
  expect(told).toBe(tellings.inARow + 1);
});
