// One host's overlay networks, as a process in that host's namespaces; driven by guest.ts over IPC.
import {
  BuiltNetworks,
  Commands,
  findEncryptionAbility,
  hostEncryption,
  overlayMetrics,
  Registry,
} from '@shoal/agent/overlay';
import type { NodeNetwork } from '@shoal/overlay';
import { type KernelCommands, kernelCommands } from '@shoal/overlay/kernel';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { EndpointRecord, HostEncryption } from '@shoal/state';
import { Registry as Metrics } from 'prom-client';

/** What can be asked of a host. All answers are plain data. */
export interface HostCalls {
  /** Begins, or begins anew over the kernel as it is; how it takes part in encrypted networks. */
  start(vtep: string): Promise<HostEncryption | undefined>;
  /** Builds or changes a network; what stands in the way, or nothing. */
  build(network: NodeNetwork): Promise<string>;
  /** Compares with the kernel and repairs; how often encryption was. */
  audit(networkId: string): Promise<number>;
  remove(networkId: string): Promise<string>;
  setPeers(networkId: string, records: readonly EndpointRecord[]): Promise<void>;
  /** Makes a container's interface, and gives its name in the host's namespace. */
  plug(id: string, networkId: string, mac: string, addresses: readonly string[]): Promise<string>;
  /** Output of a tool, in the host's namespaces. */
  run(program: string, ...args: readonly string[]): Promise<string>;
}

export interface HostRequest {
  readonly id: number;
  readonly call: keyof HostCalls;
  readonly args: readonly unknown[];
}

/** Emulated, a tool takes a second where it takes hundredths elsewhere. */
const commandMsMax = 120_000;
const [dataDir = ''] = process.argv.slice(2);
const kernel: KernelCommands = kernelCommands(commandMsMax);

interface Running {
  readonly registry: Registry;
  readonly built: BuiltNetworks;
  readonly metrics: Metrics;
}
let running: Running | undefined;

function now(): Running {
  if (running === undefined) throw new Error('the host was not started');
  return running;
}

const calls: HostCalls = {
  async start(vtep) {
    await running?.built.idle();
    await running?.registry.durable();
    const [clock, logger, random] = [systemClock, silentLogger, systemRandom];
    const registry = await Registry.open(`${dataDir}/overlay.json`, clock, logger);
    registry.own = { nodeId: `node of ${vtep}`, vtep };
    const encryption = await findEncryptionAbility({
      ...{ dataDir, random, logger, port: 51_820 },
      commands: kernel,
    });
    const metrics = new Metrics();
    const counted = overlayMetrics(metrics);
    const built = new BuiltNetworks({
      commands: new Commands({ clock, observe: counted.command, stayed: counted.stayed }),
      ...{ registry, encryption, clock, logger, metrics: counted },
      owner: 'shoal-under-test',
      nameservers: [],
      changed: () => undefined,
    });
    running = { registry, built, metrics };
    return hostEncryption(encryption);
  },
  async build(network) {
    now().registry.putNetwork(network);
    const done = await now().built.build(network.id);
    return done.kind === 'ok' ? '' : done.message;
  },
  async audit(networkId) {
    await now().built.audit(networkId, true);
    const repairs = await now().metrics.getSingleMetric('shoal_agent_overlay_repairs_total')?.get();
    return repairs?.values.find(({ labels }) => labels['kind'] === 'encryption')?.value ?? 0;
  },
  async remove(networkId) {
    const network = now().registry.network(networkId);
    if (network === undefined) return 'no such network';
    const done = await now().built.remove(network);
    now().registry.deleteNetwork(networkId);
    return done.kind === 'ok' ? '' : done.message;
  },
  async setPeers(networkId, records) {
    now().built.setPeers(networkId, records);
    await now().built.idle();
  },
  async plug(id, networkId, mac, addresses) {
    now().registry.putEndpoint({ id, networkId, mac, addresses: [...addresses], sandbox: id });
    const { device } = await now().built.plug(id);
    await now().built.idle();
    if (device === undefined) throw new Error(`${id} was not plugged`);
    return device;
  },
  async run(program, ...args) {
    const outcome = await kernel.run({ program, args });
    if (outcome.kind === 'done') return outcome.stdout;
    throw new Error(`${outcome.message} (${args.join(' ')})`);
  },
};

process.on('message', ({ id, call, args }: HostRequest) => {
  const method = calls[call] as (...args: readonly unknown[]) => Promise<unknown>;
  method(...args).then(
    (result) => process.send?.({ id, result }),
    (error: Error) => process.send?.({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
