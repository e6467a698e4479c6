import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'simulation',
    include: ['src/**/*.sim.ts'],
    testTimeout: 300_000,
  },
});
