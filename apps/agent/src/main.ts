import { totalmem } from 'node:os';
import { linkMetrics } from '@shoal/link';
import { version } from '@shoal/runtime';
import { runProcess } from '@shoal/runtime/process';
import { statusFile } from './agent.ts';
import { schema } from './config.ts';
import { EngineHttp } from './executor/engine-http.ts';
import { Host } from './host.ts';
import { ImageMemory, imagesFile } from './images/image-memory.ts';
import { imageMetrics } from './images/image-metrics.ts';
import { containerRouteMetrics } from './link/metrics.ts';
import { LinkDoor } from './link/node-link.ts';
import { agentMetrics } from './metrics.ts';
import { NetworkHost } from './network/network-host.ts';
import { usageMetrics } from './usage/usage-metrics.ts';
import { UsageReader } from './usage/usage-reader.ts';
import { StatusStore } from './worker/status-store.ts';

await runProcess({
  name: 'agent',
  version,
  schema,
  async start(context) {
    const { clock, random, logger, metrics: registry } = context;
    const { dataDir, engine, driverSocket, encryptionPort } = context.config;
    const config = { dataDir, engine, driverSocket, encryptionPort };
    const store = await StatusStore.open(statusFile(dataDir), logger, clock);
    const metrics = agentMetrics(registry);
    const observe = metrics.engineCall;
    const door = new LinkDoor();
    const secure = door.accept.bind(door);
    const parts = { ...config, clock, random, logger, registry, observe, secure };
    const containers = containerRouteMetrics(registry);
    const link = { door, metrics: linkMetrics(registry), containers };
    const notes = await ImageMemory.open(imagesFile(dataDir), logger);
    const images = { notes, metrics: imageMetrics(registry) };
    const networks = await NetworkHost.open(parts);
    const usage = new UsageReader({
      http: new EngineHttp(engine, observe, () => clock.monotonic()),
      nodeId: (): string | undefined => host.nodeId,
      hostMemoryBytes: totalmem(),
      clock,
    });
    const usageOf = usage.usageOf.bind(usage);
    const host = new Host(context, store, metrics, networks, link, images, usageOf);
    usageMetrics(registry, () => usage.read());
    return { stop: () => host.stop(), health: () => host.health };
  },
});
