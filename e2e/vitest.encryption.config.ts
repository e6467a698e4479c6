import { defineConfig } from 'vitest/config';

/** Encrypted networks, in a virtual machine. */
export default defineConfig({
  resolve: { conditions: ['@shoal/source'] },
  ssr: { resolve: { conditions: ['@shoal/source'] } },
  test: {
    name: 'encryption',
    include: ['src/encryption/**/*.e2e.ts'],
    fileParallelism: false,
    testTimeout: 10_000,
  },
});
