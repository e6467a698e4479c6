import { defineConfig } from 'vitest/config';

/** What a crowd of clients does to the answers for others: runs after all other projects, alone. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'crowds',
    include: ['src/**/*.crowd.ts'],
    sequence: { groupOrder: 1 },
  },
});
