import { defineConfig } from 'vitest/config';

/** Docker's clients against the API of a swarm: command lines, libraries, raw streams. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'clients',
    include: ['src/api/**/*.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    // All files use one fleet, which a module of theirs holds.
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
