export { createAllocator } from './allocator.ts';
