import { defineConfig } from 'vitest/config';

/** The API beside Docker's own Swarm mode: thousands of requests to both, each a little different. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'differential',
    include: ['src/differential/**/*.e2e.ts'],
    globalSetup: ['src/host/shared-engine.ts'],
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 180_000,
  },
});
