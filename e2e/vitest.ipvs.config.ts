import { defineConfig } from 'vitest/config';

/** Load balancing by IPVS, in a virtual machine. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'ipvs',
    include: ['src/ipvs/**/*.e2e.ts'],
    testTimeout: 10_000,
  },
});
