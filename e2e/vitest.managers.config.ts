import { defineConfig } from 'vitest/config';

/** Suites whose hosts are machines of their own: containers with an engine each. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'managers',
    include: ['src/managers/**/*.e2e.ts'],
    exclude: ['src/managers/{sizes,machines,certificates}.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
