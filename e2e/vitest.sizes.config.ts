import { defineConfig } from 'vitest/config';

/** Five and seven managers: nine machines at once are too much for every run. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'sizes',
    include: ['src/managers/sizes.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
