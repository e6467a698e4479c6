import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'e2e',
    include: ['src/{agent,hostile,main-job}/**/*.e2e.ts'],
    exclude: ['src/agent/overlay.e2e.ts'],
    globalSetup: ['src/host/shared-engine.ts'],
    // One host after the other: two cores do not carry several swarms at once.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
