import { defineConfig } from 'vitest/config';

/** Containers of different machines on one network: names, balancing, published ports. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'networking',
    include: ['src/networking/**/*.e2e.ts'],
    exclude: ['src/networking/chaos.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    // All files use one fleet, which a module of theirs holds.
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
