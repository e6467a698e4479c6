import { runStageProcess } from '@shoal/stage/host';
import { createAllocator } from './allocator.ts';

await runStageProcess({ name: 'allocator', version: '0.1.0', stage: () => createAllocator() });
