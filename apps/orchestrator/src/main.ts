import { version } from '@shoal/runtime';
import { runStageProcess } from '@shoal/stage/host';
import { createOrchestrator } from './orchestrator.ts';

await runStageProcess({
  name: 'orchestrator',
  version,
  stage: () => createOrchestrator(),
});
