import { version } from '@shoal/runtime';
import { runProcess } from '@shoal/runtime/process';
import { ManagerHost } from '@shoal/stage/host';
import { schema } from './config.ts';
import { dispatcherMetrics } from './server/metrics.ts';
import { Serving } from './serving.ts';

await runProcess({
  name: 'dispatcher',
  version,
  schema,
  givesBackAtRest: true,
  start(context) {
    const { config, clock, random, logger, fail } = context;
    const metrics = dispatcherMetrics(context.metrics);
    let serving: Serving | undefined;
    const host = new ManagerHost({
      dataDir: config.dataDir,
      name: 'dispatcher',
      clock,
      random,
      logger,
      start: (session) => {
        serving = new Serving(context, session, metrics);
        return serving;
      },
      onFatal: fail,
    });
    return {
      stop: () => host.stop(),
      health: () => {
        const { state } = host;
        if (state.kind === 'standby' || serving === undefined) {
          const detail = state.kind === 'standby' ? state.reason : '';
          return { ready: true, healthy: true, role: 'standby', detail };
        }
        const logIndex = state.session.replica.view.index;
        const { ready, detail } = serving;
        return { ready, healthy: true, role: 'active', logIndex, detail };
      },
    };
  },
});
