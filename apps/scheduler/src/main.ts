import { runStageProcess } from '@shoal/stage/host';
import { createScheduler } from './scheduler.ts';

await runStageProcess({ name: 'scheduler', version: '0.1.0', stage: () => createScheduler() });
