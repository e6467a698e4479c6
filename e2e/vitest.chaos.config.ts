import { defineConfig } from 'vitest/config';

/** Faults between real machines, then silence: twenty times, which takes a quarter of an hour. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'chaos',
    include: ['src/networking/chaos.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
