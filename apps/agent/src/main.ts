import { availableParallelism } from 'node:os';
import { type Identity, type IdentityState, updateIdentity, watchIdentity } from '@shoal/pki';
import { type ProcessContext, runProcess } from '@shoal/runtime/process';
import { z } from 'zod';
import { Agent, type AgentOptions, statusFile } from './agent.ts';
import { DockerEngine } from './executor/docker-engine.ts';
import { type AgentMetrics, agentMetrics } from './metrics.ts';
import { NetworkHost } from './network/network-host.ts';
import { pluginSocketDefault } from './overlay/driver.ts';
import { StatusStore } from './worker/status-store.ts';
import { removeAllContainers } from './worker/worker.ts';

/** Pause before containers of a left swarm are looked for again, milliseconds. */
const leaveRetryMs = 1_000;

const schema = z.object({
  engine: z
    .string()
    .regex(/^(unix:\/\/\/.+|tcp:\/\/[^/]+:\d+)$/, 'must look like unix:///var/run/docker.sock')
    .default('unix:///var/run/docker.sock')
    .describe('the Docker Engine'),
  driverSocket: z
    .string()
    .default(pluginSocketDefault)
    .describe('where the engine looks for its network driver'),
});

type Context = ProcessContext<z.output<typeof schema>>;

/** Follows the host's identity: an agent while there is one, nothing of ours left when it is gone. */
class Host {
  readonly #context: Context;
  readonly #store: StatusStore;
  readonly #engine: DockerEngine;
  readonly #metrics: AgentMetrics;
  readonly #networks: NetworkHost;
  readonly #unwatch: () => void;
  #agent: { readonly agent: Agent; readonly nodeId: string } | undefined;
  #wanted: IdentityState = { kind: 'none' };
  #changing: Promise<void> | undefined;
  #reason = 'the host is in no swarm';
  #stopped = false;

  constructor(context: Context, store: StatusStore, metrics: AgentMetrics, networks: NetworkHost) {
    this.#context = context;
    this.#store = store;
    this.#metrics = metrics;
    this.#networks = networks;
    this.#engine = new DockerEngine({
      address: context.config.engine,
      processors: availableParallelism(),
      observe: this.#metrics.engineCall,
      monotonic: () => context.clock.monotonic(),
      networks: networks.containers,
    });
    const { dataDir } = context.config;
    this.#unwatch = watchIdentity(dataDir, context.clock, (state) => this.#changed(state));
  }

  get health() {
    const agent = this.#agent?.agent;
    if (agent === undefined) {
      return { ready: true, healthy: true, role: 'standby', detail: this.#reason };
    }
    return { ...agent.health, healthy: true, role: 'active' };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwatch();
    await this.#changing;
    await this.#agent?.agent.stop();
    await this.#networks.close();
  }

  /** Changes are worked off one after the other; of those that come meanwhile the newest counts. */
  #changed(state: IdentityState): void {
    this.#wanted = state;
    if (this.#changing !== undefined || this.#stopped) return;
    this.#changing = this.#follow().then(
      () => {
        this.#changing = undefined;
      },
      (error: unknown) => this.#context.fail(error),
    );
  }

  async #follow(): Promise<void> {
    let seen: IdentityState | undefined;
    while (seen !== this.#wanted && !this.#stopped) {
      seen = this.#wanted;
      await this.#become(seen);
    }
  }

  async #become(state: IdentityState): Promise<void> {
    if (state.kind === 'broken') {
      // What runs goes on: a half-written renewal is no leave.
      this.#reason = state.reason;
      return this.#context.logger.error({ reason: state.reason }, 'identity_broken');
    }
    if (state.kind === 'locked') return this.#standBy();
    const identity = state.kind === 'complete' ? state.identity : undefined;
    if (identity !== undefined && this.#agent?.nodeId === identity.nodeId) {
      return this.#agent.agent.renew(identity);
    }
    await this.#agent?.agent.stop();
    this.#agent = undefined;
    this.#reason = 'the host is in no swarm';
    if (this.#store.nodeId !== '' && this.#store.nodeId !== identity?.nodeId) {
      await this.#leave(this.#store.nodeId);
    }
    if (this.#stopped) return;
    if (identity === undefined) this.#networks.standAlone();
    else await this.#begin(identity);
  }

  /** The swarm's containers go on while its keys are locked away. */
  async #standBy(): Promise<void> {
    await this.#agent?.agent.stop();
    this.#agent = undefined;
    this.#reason = 'the swarm is locked: docker swarm unlock';
  }

  async #begin(identity: Identity): Promise<void> {
    const { version, clock, random, logger } = this.#context;
    const metrics = this.#metrics;
    const [engine, store] = [this.#engine, this.#store];
    const { nodeId } = identity;
    const log = logger.child({ node: nodeId });
    const { dataDir, runDir } = this.#context.config;
    const update: AgentOptions['updateIdentity'] = (change) => updateIdentity(dataDir, change);
    const networking = await this.#networks.begin(identity);
    if (this.#stopped) return;
    const parts = { identity, engine, store, version, clock, random, logger: log, metrics };
    this.#agent = {
      agent: new Agent({ ...parts, networking, runDir, updateIdentity: update }),
      nodeId,
    };
  }

  /** Takes away what a node that is no more has run here. */
  async #leave(nodeId: string): Promise<void> {
    const { clock, logger } = this.#context;
    this.#reason = 'removes the containers of the swarm that was left';
    while (!this.#stopped && !(await removeAllContainers(this.#engine, nodeId, this.#metrics))) {
      logger.warn({ node: nodeId }, 'containers_not_removed');
      await new Promise<void>((resolve) => clock.after(leaveRetryMs, resolve));
    }
    if (this.#stopped) return;
    await this.#networks.remove(nodeId);
    await this.#store.clear();
    this.#reason = 'the host is in no swarm';
    logger.info({ node: nodeId }, 'swarm_left');
  }
}

await runProcess({
  name: 'agent',
  version: '0.1.0',
  schema,
  async start(context) {
    const { clock, random, logger, metrics: registry } = context;
    const { dataDir, engine, driverSocket } = context.config;
    const store = await StatusStore.open(statusFile(dataDir), logger, clock);
    const metrics = agentMetrics(registry);
    const observe = metrics.engineCall;
    const parts = { dataDir, engine, driverSocket, clock, random, logger, registry, observe };
    const host = new Host(context, store, metrics, await NetworkHost.open(parts));
    return { stop: () => host.stop(), health: () => host.health };
  },
});
