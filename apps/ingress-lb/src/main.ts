import { version } from '@shoal/runtime';
import { runProcess } from '@shoal/runtime/process';
import { schema } from './config.ts';
import { chooseBackend, Serving } from './serving.ts';

await runProcess({
  name: 'ingress-lb',
  version,
  schema,
  async start(context) {
    const chosen = await chooseBackend(context);
    context.logger.info({ backend: chosen.kind, noSctp: chosen.noSctp }, 'backend_chosen');
    const serving = new Serving(context, chosen);
    return { stop: () => serving.stop(), health: () => serving.health };
  },
});
