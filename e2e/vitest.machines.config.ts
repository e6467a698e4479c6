import { defineConfig } from 'vitest/config';

/** Cut lines, skewed clocks, certificates that ended: minutes of waiting for what changes rarely. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'machines',
    include: ['src/managers/{machines,certificates}.e2e.ts'],
    globalSetup: ['src/hosts/outer-engine.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});
