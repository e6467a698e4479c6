import { defineConfig } from 'vitest/config';

/** The network driver alone, between two engines; the suite `networking` has it among all the others. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'network-driver',
    include: ['src/agent/overlay.e2e.ts'],
    globalSetup: ['src/host/shared-engine.ts'],
    // One host after the other: two cores do not carry several swarms at once.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
