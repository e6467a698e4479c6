import { runStageProcess } from '@shoal/stage/host';
import { createOrchestrator } from './orchestrator.ts';

await runStageProcess({
  name: 'orchestrator',
  version: '0.1.0',
  stage: () => createOrchestrator(),
});
