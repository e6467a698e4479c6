// One host's overlay driver as a process inside that host's namespaces; driven by overlay.e2e.ts.
import { agentMetrics, DockerEngine, OverlayDriver, overlayMetrics } from '@shoal/agent';
import type { NodeNetwork } from '@shoal/overlay';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { EndpointRecord, NodeDescription, TaskAssignment } from '@shoal/state';
import { Registry } from 'prom-client';

/** What can be asked of the host. */
export interface OverlayHostCalls {
  configure(networks: readonly NodeNetwork[], own: { nodeId: string; vtep: string }): undefined;
  ensure(networkId: string): ReturnType<OverlayDriver['ensure']>;
  setPeers(networkId: string, records: readonly EndpointRecord[]): undefined;
  programmedPeers(networkId: string): ReturnType<OverlayDriver['programmedPeers']>;
  hostNetworks(): ReturnType<OverlayDriver['hostNetworks']>;
  /** Creates and starts a task's container; the engine's words when it says no. */
  run(assignment: TaskAssignment): Promise<string>;
  close(): Promise<void>;
  remove(): Promise<void>;
}

export interface OverlayHostRequest {
  readonly id: number;
  readonly call: keyof OverlayHostCalls;
  readonly args: readonly unknown[];
}

const [engineAddress = '', dataDir = ''] = process.argv.slice(2);
const node: NodeDescription = {
  Hostname: 'host',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '', Plugins: [] },
};
const { engineCall: observe } = agentMetrics(new Registry());
const logger =
  process.env['OVERLAY_LOG'] === undefined
    ? silentLogger
    : Object.assign(Object.create(silentLogger), {
        warn: (fields: object, event: string) => console.error(event, fields),
        error: (fields: object, event: string) => console.error(event, fields),
        child: () => logger,
      });
const driver = await OverlayDriver.open({
  engine: engineAddress,
  observe,
  dataDir,
  clock: systemClock,
  random: systemRandom,
  logger,
  metrics: overlayMetrics(new Registry()),
});
driver.attachments = {
  attach: async (_networkId, wanted = '10.78.1.200') => ({
    kind: 'ok',
    attachmentId: `attachment-${wanted}`,
    addresses: [`${wanted}/24`, 'fd78:1::200/64'],
  }),
  held: () => undefined,
  named: (attachmentId, name) => process.send?.({ named: attachmentId, name }),
  detach: (attachmentId) => process.send?.({ detached: attachmentId }),
};
const engine = new DockerEngine({
  ...{ address: engineAddress, processors: 2, observe, networks: driver, clock: systemClock },
});

const calls: OverlayHostCalls = {
  configure(networks, own) {
    driver.configure(networks, own);
    return undefined;
  },
  ensure: (networkId) => driver.ensure(networkId),
  setPeers(networkId, records) {
    driver.setPeers(networkId, records);
    return undefined;
  },
  programmedPeers: (networkId) => driver.programmedPeers(networkId),
  hostNetworks: () => driver.hostNetworks(),
  async run(assignment) {
    for (const { networkId } of assignment.networks ?? []) {
      const ensured = await driver.ensure(networkId);
      if (ensured.kind !== 'ok') return ensured.message;
    }
    const made = await engine.create(assignment, node);
    if (made.kind === 'failed') return made.failure.message;
    const started = await engine.start(made.value.id);
    return started.kind === 'failed' ? started.failure.message : '';
  },
  close: () => driver.close(),
  remove: () => driver.remove(),
};

process.on('message', ({ id, call, args }: OverlayHostRequest) => {
  const work = calls[call] as (...values: readonly unknown[]) => unknown;
  Promise.resolve(work(...args)).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.send?.({ ready: true });
