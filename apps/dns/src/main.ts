import { version } from '@shoal/runtime';
import { runProcess } from '@shoal/runtime/process';
import { z } from 'zod';
import { Dns } from './dns.ts';
import { dnsMetrics } from './metrics.ts';
import { namespaceBinder, namespaceIdentity } from './sockets/namespace-sockets.ts';
import { hostExchange } from './upstream/exchange.ts';

/** Where resolvers are asked; containers know no other port. */
const dnsPort = 53;

await runProcess({
  name: 'dns',
  version,
  schema: z.object({}),
  async start({ config, clock, random, logger, metrics }) {
    const dns = await Dns.start({
      dataDir: config.dataDir,
      port: dnsPort,
      bind: namespaceBinder(clock, dnsPort),
      identify: namespaceIdentity,
      exchange: hostExchange(clock),
      clock,
      random,
      logger,
      metrics: dnsMetrics(metrics),
    });
    return { stop: () => dns.stop(), health: () => dns.health };
  },
});
