import { defineConfig } from 'vitest/config';

/** All suites in one run, fast: `vitest run`, or one with `--project=raft`. */
export default defineConfig({
  test: {
    projects: [
      'apps/*/vitest*.config.ts',
      'libs/*/vitest.config.ts',
      '{bench,e2e}/vitest*.config.ts',
      { test: { name: 'tools', include: ['tools/**/*.test.ts'], isolate: false } },
    ],
  },
});
