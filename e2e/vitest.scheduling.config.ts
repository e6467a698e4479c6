import { defineConfig } from 'vitest/config';

/** What orchestrator and scheduler do, on machines of their own. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'scheduling',
    include: ['src/scheduling/**/*.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    // All files use one fleet, which a module of theirs holds.
    fileParallelism: false,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
