import { defineConfig } from 'vitest/config';

/** Several stages in one process, as fast as unit tests and run with them. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'stages',
    include: ['src/**/*.test.ts'],
    isolate: false,
    testTimeout: 60_000,
  },
});
