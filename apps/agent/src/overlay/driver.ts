import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { HostNetwork, NodeNetwork } from '@shoal/overlay';
import { type Clock, errorMessage, type Logger, type Random } from '@shoal/runtime';
import {
  addressOf,
  type EndpointRecord,
  type HostEncryption,
  type TaskAssignment,
} from '@shoal/state';
import type { ContainerNetworkPlan, ContainerNetworks } from '../executor/container-networks.ts';
import { noNetworks } from '../executor/container-networks.ts';
import type { EngineResult } from '../executor/engine.ts';
import { type CallObserver, EngineHttp } from '../executor/engine-http.ts';
import type { Attachments, Ensured, OverlayPort, OwnHost } from '../network/ports.ts';
import { doneWithin } from '../network/waits.ts';
import { EngineAudit } from './audit.ts';
import { BuiltNetworks } from './built-networks.ts';
import { Commands, type HostNamespace } from './commands.ts';
import {
  type EncryptionAbility,
  encryptionPortDefault,
  findEncryptionAbility,
  hostEncryption,
} from './encryption/ability.ts';
import { forgetTunnelKey, tunnelKeyFile } from './encryption/tunnel-key.ts';
import { EngineNames } from './engine-names.ts';
import { EngineNetworks } from './engine-networks.ts';
import { raiseHostLimits } from './host-limits.ts';
import type { OverlayMetrics } from './metrics.ts';
import { Naming } from './naming.ts';
import { ipamDriverMethods } from './plugin/ipam-driver.ts';
import { networkDriverMethods } from './plugin/network-driver.ts';
import { driverName, type Methods, PluginServer } from './plugin/server.ts';
import { Plumbing } from './plumbing.ts';
import { Registry } from './registry.ts';
import type { TaskPlan } from './state-file.ts';
import { Upkeep } from './upkeep.ts';
import { containerNameservers, HostResolver, upstream } from './upstreams.ts';

/** Pause after the engine has begun to talk: until then it does not answer itself. Milliseconds. */
const activatedMs = 1_000;
/** Longest wait for a network, milliseconds. */
const ensureMsMax = 10_000;

export const pluginSocketDefault = '/run/docker/plugins/shoal.sock';

export interface OverlayDriverOptions {
  /** The engine's address, such as `unix:///var/run/docker.sock`. */
  readonly engine: string;
  readonly observe: CallObserver;
  readonly dataDir: string;
  /** Where the engine finds its network driver, and by the file's name how it is called. */
  readonly socket?: string | undefined;
  /** UDP port that packets of encrypted networks come to. */
  readonly encryptionPort?: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: OverlayMetrics;
  /** Absent: the namespace of this process. It must be the engine's. */
  readonly host?: HostNamespace | undefined;
}

interface Options extends OverlayDriverOptions {
  readonly encryption: EncryptionAbility;
}

/**
 * The overlay networks of this host: namespaces, tunnels and peers in the kernel, networks of the engine
 * that stand for them, and the driver through which its containers join.
 */
export class OverlayDriver implements OverlayPort, ContainerNetworks {
  readonly #options: Options;
  readonly #registry: Registry;
  readonly #built: BuiltNetworks;
  readonly #names: EngineNames;
  readonly #plumbing: Plumbing;
  readonly #naming: Naming;
  readonly #upkeep: Upkeep;
  readonly #commands: Commands;
  readonly #methods: Methods;
  readonly #resolver: HostResolver;
  readonly #listeners = new Set<(networkId: string) => void>();
  #server: PluginServer | undefined;
  #attachments: Attachments | undefined;
  #closed = false;

  private constructor(
    options: Options,
    registry: Registry,
    commands: Commands,
    resolver: HostResolver,
  ) {
    this.#options = options;
    this.#registry = registry;
    this.#commands = commands;
    this.#resolver = resolver;
    const { clock, logger, metrics, observe, encryption, socket = pluginSocketDefault } = options;
    const http = new EngineHttp(options.engine, observe, () => clock.monotonic());
    const engine = new EngineNetworks(http, driverName(socket));
    const changed = (networkId: string): void => this.#changed(networkId);
    const attachments = (): Attachments | undefined => this.#attachments;
    const owner = ownerOf(options.dataDir);
    const { nameservers } = resolver.now;
    const kernel = { commands, registry, owner, nameservers, encryption, clock, logger, metrics };
    const isWanted = (networkId: string): boolean => this.#upkeep.isWanted(networkId);
    const built = new BuiltNetworks({ ...kernel, changed, isWanted });
    const plumbing = new Plumbing({
      registry,
      built,
      attachments,
      changed,
      activated: () => this.#upkeep.auditIn(activatedMs),
      // After the answer: the engine does its own part meanwhile.
      expected: (networkId) => this.#later(0, async () => built.expect(networkId)),
      unnamed: (networkId) => this.#naming.due(networkId),
      dropped: (networkId) => this.#names.forget(networkId),
      left: (networkId) => this.#later(activatedMs, () => this.#upkeep.retire(networkId)),
    });
    this.#built = built;
    this.#plumbing = plumbing;
    this.#names = new EngineNames(engine);
    const parts = { engine, registry, built, plumbing, attachments, logger, metrics };
    const audit = new EngineAudit(parts);
    const name = (networkId: string): Promise<void> => audit.name(networkId);
    this.#naming = new Naming({ name, later: (ms, work) => this.#later(ms, work) });
    const names = this.#names;
    const look = (): Promise<void> => this.#lookAtHost();
    this.#upkeep = new Upkeep({ registry, built, names, audit, look, clock, logger });
    this.#methods = new Map([...networkDriverMethods(plumbing), ...ipamDriverMethods(plumbing)]);
  }

  /**
   * Takes up what an earlier agent has left, and answers the engine from now on.
   * @throws when the socket cannot be made.
   */
  static async open(options: OverlayDriverOptions): Promise<OverlayDriver> {
    const { clock, random, logger, metrics, dataDir, host } = options;
    const { socket = pluginSocketDefault, encryptionPort: port = encryptionPortDefault } = options;
    const encryption = await findEncryptionAbility({ dataDir, port, random, logger });
    const registry = await Registry.open(join(dataDir, 'agent', 'overlay.json'), clock, logger);
    const resolver = new HostResolver();
    await resolver.look();
    const { command: observe, stayed } = metrics;
    const commands = new Commands({ clock, host, observe, stayed });
    const whole = { ...options, encryption };
    const driver = new OverlayDriver(whole, registry, commands, resolver);
    const methods = driver.#methods;
    driver.#server = await PluginServer.listen({ socket, methods, clock, logger, metrics });
    await raiseHostLimits(commands, logger);
    driver.#upkeep.auditIn(0);
    return driver;
  }

  /** How this host takes part in encrypted networks; undefined: it cannot. */
  get encryption(): HostEncryption | undefined {
    return hostEncryption(this.#options.encryption);
  }

  /** Where addresses of containers that are run by hand come from. */
  set attachments(attachments: Attachments) {
    this.#attachments = attachments;
    this.#plumbing.resume(attachments);
  }

  configure(networks: readonly NodeNetwork[], own: OwnHost): void {
    const registry = this.#registry;
    const moved = !isDeepStrictEqual(registry.own, own);
    if (moved) registry.own = own;
    this.#upkeep.want(new Set(networks.map(({ id }) => id)));
    for (const network of networks) {
      const changed = !isDeepStrictEqual(registry.network(network.id), network);
      if (changed) registry.putNetwork(network);
      const due = moved || changed || !this.#built.isBuilt(network.id);
      if (due && this.#built.canBuild(network)) void this.#upkeep.build(network.id);
    }
  }

  async ensure(networkId: string): Promise<Ensured> {
    let ensured: Ensured | undefined;
    const work = this.#ensure(networkId).then((done) => {
      ensured = done;
    });
    await doneWithin(this.#options.clock, ensureMsMax, work);
    return ensured ?? failed(`network ${networkId} could not be built in time`);
  }

  /** New containers, and the resolver for all, go by what the host's file says by then. */
  async #lookAtHost(): Promise<void> {
    if (await this.#resolver.look()) this.#built.nameservers = this.#resolver.now.nameservers;
  }

  async #ensure(networkId: string): Promise<Ensured> {
    await this.#lookAtHost();
    const network = this.#registry.network(networkId);
    if (network === undefined || !this.#upkeep.isWanted(networkId)) {
      return failed(`network ${networkId} is not known on this host yet`);
    }
    const { encryption } = this.#options;
    if (network.encrypted && encryption.kind === 'unable') {
      return { kind: 'impossible', message: encryption.reason };
    }
    if (!this.#built.isBuilt(networkId)) {
      const built = await this.#built.build(networkId);
      if (built.kind === 'failed') return failed(`network ${network.name}: ${built.message}`);
    }
    const made = await this.#names.ensure(network);
    if (made.kind === 'failed') return failed(`network ${network.name}: ${made.failure.message}`);
    this.#registry.bind(made.value.id, networkId);
    return { kind: 'ok', engineNetwork: made.value.name };
  }

  plan(assignment: TaskAssignment): EngineResult<ContainerNetworkPlan> {
    const { networks = [], template } = assignment;
    const [primary] = networks;
    if (primary === undefined) return { kind: 'ok', value: noNetworks };
    const gateway = this.#registry.network(primary.networkId)?.subnets[0]?.gateway;
    const joined = networks.map(({ networkId, addresses, driverOptions }) => ({
      name: this.#names.nameOf(networkId) ?? '',
      addresses: addresses.map(addressOf),
      driverOptions,
    }));
    if (gateway === undefined || joined.some(({ name }) => name === '')) {
      const message = 'a network of the task is not built yet';
      return { kind: 'failed', failure: { kind: 'unreachable', message } };
    }
    const given = template.ContainerSpec.DNSConfig?.Nameservers ?? [];
    this.#plumbing.plan(taskPlan(assignment));
    const { nameservers: host, ...hostDefaults } = this.#resolver.now;
    const nameservers = containerNameservers(gateway, given, host);
    return { kind: 'ok', value: { networks: joined, nameservers, hostDefaults } };
  }

  claim(assignment: TaskAssignment): void {
    const plan = taskPlan(assignment);
    if (plan.networks.length === 0 || !this.#plumbing.claim(plan)) return;
    this.#options.logger.warn({ task: plan.taskId }, 'task_plan_found');
  }

  evict(attachmentId: string): void {
    this.#plumbing.evict(attachmentId);
  }

  setPeers(networkId: string, records: readonly EndpointRecord[]): void {
    this.#built.setPeers(networkId, records);
  }

  programmedPeers(networkId: string): readonly EndpointRecord[] | undefined {
    return this.#built.programmedPeers(networkId);
  }

  hostNetworks(): readonly HostNetwork[] {
    return this.#built.hostNetworks();
  }

  onChange(listener: (networkId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(networkId: string): void {
    if (this.#closed) return;
    for (const listener of this.#listeners) listener(networkId);
  }

  #later(ms: number, work: () => Promise<void>): void {
    this.#options.clock.after(ms, () => {
      if (!this.#closed) void work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#server?.close();
    await this.#upkeep.close();
    await this.#commands.close();
    await this.#registry.durable().catch((error: unknown) => {
      this.#options.logger.warn({ reason: errorMessage(error) }, 'overlay_state_not_kept');
    });
  }

  async remove(): Promise<void> {
    // The server last: the engine asks it while its networks go.
    await this.#upkeep.removeAll();
    await this.close();
    await this.#registry.clear();
    await forgetTunnelKey(tunnelKeyFile(this.#options.dataDir));
  }
}

/** Short, and without characters that mean something to `ip`. */
function ownerOf(dataDir: string): string {
  return `shoal-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`;
}

function taskPlan({ networks = [], template, taskId }: TaskAssignment): TaskPlan {
  const places = networks.map(({ networkId, addresses }) => ({
    networkId,
    addresses: [...addresses],
  }));
  const given = template.ContainerSpec.DNSConfig?.Nameservers ?? [];
  return { taskId, networks: places, upstreams: given.map(upstream) };
}

function failed(message: string): Ensured {
  return { kind: 'failed', message };
}
