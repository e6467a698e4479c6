import { version } from '@shoal/runtime';
import { runStageProcess } from '@shoal/stage/host';
import { DecisionRecorder } from './decisions/recorder.ts';
import { serveExplain } from './decisions/serve.ts';
import { DecisionStore } from './decisions/store.ts';
import { createScheduler } from './scheduler.ts';

const store = new DecisionStore();

await runStageProcess({
  name: 'scheduler',
  version,
  stage: () => createScheduler({ recorder: new DecisionRecorder(store) }),
  beside: (session, { clock, logger }) =>
    serveExplain({ session, view: session.replica.view, store, clock, logger }),
});
