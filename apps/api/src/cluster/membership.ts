import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ApiError,
  apiErrors,
  type LocalSwarm,
  type SwarmInit,
  type TlsShape,
} from '@shoal/docker-api';
import {
  channelCredentials,
  channelOptions,
  type Identity,
  type IdentityState,
  identityDirectory,
  loadIdentity,
  removeIdentity,
  tlsInfo,
  watchIdentity,
  writeIdentity,
} from '@shoal/pki';
import { LogClient } from '@shoal/proto';
import { startVoter, type Voter } from '@shoal/raft/service';
import {
  type Clock,
  errorMessage,
  type HostPort,
  type Logger,
  type LogLevel,
  newId,
  type Random,
} from '@shoal/runtime';
import { RemoteReplica, type Replica } from '@shoal/stage';
import {
  checkDataPath,
  defaultListen,
  type HostNetwork,
  resolveAdvertise,
  resolveListen,
} from './addresses.ts';
import { conceive, type Genesis, voterIdOf } from './genesis.ts';

/** Longest wait of `swarm init` for the log to take the first transaction, milliseconds. */
const firstWriteMsMax = 15_000;
/** Longest wait of `swarm init` for the host's own agent, milliseconds; it may come later. */
const agentMsMax = 3_000;
/** How often a voter that could not be started is tried again, milliseconds. */
const voterRetryMs = 1_000;

/** A host that is a manager: who it is, and its copy of the state. */
export interface Manager {
  readonly identity: Identity;
  readonly replica: Replica;
  readonly tls: TlsShape;
}

/** Where this host stands. */
export type Standing =
  | { readonly kind: 'inactive' }
  | { readonly kind: 'worker'; readonly identity: Identity }
  /** There is an identity that cannot be used, or a log that cannot be opened. */
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'manager'; readonly manager: Manager };

/** The host's place in a swarm, as the routes need it. */
export interface SwarmHost {
  readonly standing: Standing;
  /** Pending while the host takes up what is on its disk; `standing` says little until then. */
  readonly takingUp: Promise<void> | undefined;
  /** Makes the swarm and answers the node's id. @throws ApiError */
  init(request: SwarmInit): Promise<string>;
  /** @throws ApiError */
  leave(force: boolean): Promise<void>;
}

/** What `/info` and `/_ping` say of a standing. */
export function localSwarm(standing: Standing): LocalSwarm {
  switch (standing.kind) {
    case 'inactive':
      return { kind: 'inactive' };
    case 'error':
      return { kind: 'error', message: standing.message };
    case 'worker':
    case 'manager': {
      const identity = standing.kind === 'worker' ? standing.identity : standing.manager.identity;
      const place = {
        nodeId: identity.nodeId,
        addr: identity.advertiseAddr,
        managers: identity.managers.map(({ nodeId, logAddr }) => ({ nodeId, addr: logAddr })),
      };
      if (standing.kind === 'worker') return { kind: 'worker', ...place };
      const { replica, tls } = standing.manager;
      const error = replica.ready ? '' : 'the state of the swarm is being loaded';
      return { kind: 'manager', ...place, tls, view: replica.view, error };
    }
  }
}

export interface MembershipOptions {
  readonly dataDir: string;
  /** Where the cluster port listens when the user names no other. */
  readonly listen: HostPort;
  readonly dispatcherListen: HostPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logLevel: LogLevel;
  readonly network: () => Promise<HostNetwork>;
  /** Hears of each replica that is made. */
  readonly onReplica: (replica: Replica) => void;
}

interface Active {
  readonly manager: Manager;
  readonly replica: RemoteReplica;
  readonly client: LogClient;
  readonly voter: Voter;
}

/** Makes, keeps and ends this host's membership, with the voter that a manager hosts. */
export class Membership implements SwarmHost {
  readonly #options: MembershipOptions;
  #standing: Standing = { kind: 'inactive' };
  #active: Active | undefined;
  #unwatch: (() => void) | undefined;
  /** Changes of membership run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #takingUp: Promise<void> | undefined;
  #stopped = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get takingUp(): Promise<void> | undefined {
    return this.#takingUp;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** The voter's thread, for health; absent on hosts that are no manager. */
  get voter(): Voter | undefined {
    return this.#active?.voter;
  }

  /** Takes up what was on disk: a whole identity, or nothing at all. */
  start(): Promise<void> {
    return this.#whileTakingUp(() => this.#start());
  }

  async #start(): Promise<void> {
    const { dataDir, clock } = this.#options;
    const state = await loadIdentity(dataDir);
    if (state.kind === 'none')
      await rm(identityDirectory(dataDir), { recursive: true, force: true });
    else await this.#become(state);
    // What is told may be old by the time of its turn, so the turn looks again.
    this.#unwatch = watchIdentity(dataDir, clock, () => {
      void this.#exclusive(async () => this.#become(await loadIdentity(dataDir)));
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwatch?.();
    await this.#turn;
    await this.#end();
  }

  init(request: SwarmInit): Promise<string> {
    return this.#exclusive(() => this.#init(request));
  }

  leave(force: boolean): Promise<void> {
    return this.#exclusive(() => this.#leave(force));
  }

  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(change);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #whileTakingUp(change: () => Promise<void>): Promise<void> {
    const under = change();
    this.#takingUp = under.catch(() => undefined);
    try {
      await under;
    } finally {
      this.#takingUp = undefined;
    }
  }

  async #become(state: IdentityState): Promise<void> {
    if (this.#stopped || this.#isCurrent(state)) return;
    if (state.kind === 'broken') {
      this.#options.logger.error({ reason: state.reason }, 'identity_broken');
      if (this.#active === undefined) this.#standing = { kind: 'error', message: state.reason };
      return;
    }
    await this.#end();
    if (state.kind === 'none') this.#standing = { kind: 'inactive' };
    else if (state.identity.role === 'worker')
      this.#standing = { kind: 'worker', identity: state.identity };
    else await this.#resume(state.identity);
  }

  #isCurrent(state: IdentityState): boolean {
    if (state.kind !== 'complete')
      return (
        state.kind === 'none' && this.#active === undefined && this.#standing.kind === 'inactive'
      );
    return this.#active?.manager.identity.nodeId === state.identity.nodeId;
  }

  /** Starts the voter of an identity from disk; when it cannot, says so and tries again. */
  async #resume(identity: Identity): Promise<void> {
    const { logger, clock } = this.#options;
    if (this.#standing.kind !== 'error')
      this.#standing = { kind: 'error', message: 'the log is being read' };
    try {
      this.#activate(await this.#open(identity, await tlsInfo(identity.caCertificate)));
      logger.info({ node: identity.nodeId, cluster: identity.clusterId }, 'swarm_resumed');
    } catch (error) {
      const message = errorMessage(error);
      logger.error({ error, node: identity.nodeId }, 'voter_start_failed');
      this.#standing = { kind: 'error', message };
      clock.after(voterRetryMs, () => {
        if (this.#stopped || this.#standing.kind !== 'error') return;
        void this.#exclusive(async () => this.#become(await loadIdentity(this.#options.dataDir)));
      });
    }
  }

  async #open(identity: Identity, tls: TlsShape): Promise<Active> {
    const { dataDir, clock, random, logger, logLevel } = this.#options;
    const { clusterId, caCertificate, certificate, key } = identity;
    const voter = await startVoter({
      dataDir: logDirectory(dataDir),
      listen: identity.listenAddr,
      voterId: voterIdOf(identity.nodeId),
      tls: { clusterId, caCertificate, certificate, key },
      logLevel,
    });
    const client = new LogClient(
      identity.logAddr,
      channelCredentials(identity),
      channelOptions('manager'),
    );
    const follower = `api@${identity.nodeId}`;
    const replica = new RemoteReplica({ client: () => client, follower, clock, random, logger });
    this.#options.onReplica(replica);
    return { manager: { identity, replica, tls }, replica, client, voter };
  }

  #activate(active: Active): void {
    this.#active = active;
    this.#standing = { kind: 'manager', manager: active.manager };
    active.voter.onExit((exit) => {
      if (exit.kind !== 'failed' || this.#active !== active) return;
      this.#options.logger.error({ message: exit.message }, 'voter_failed');
      void this.#whileTakingUp(() =>
        this.#exclusive(async () => {
          if (this.#active !== active || this.#stopped) return;
          await this.#end();
          await this.#resume(active.manager.identity);
        }),
      );
    });
  }

  async #init(request: SwarmInit): Promise<string> {
    if (this.#standing.kind !== 'inactive') throw apiErrors.alreadyInSwarm();
    const { listen, dispatcherListen, clock, random, logger } = this.#options;
    const network = await this.#options.network();
    const asked = resolveListen(request.listenAddr, network);
    const chosen = request.listenAddr === defaultListen ? listen : asked;
    const advertise = resolveAdvertise(request.advertiseAddr, chosen, network);
    checkDataPath(request.dataPathAddr, network);
    const { host: dispatcherHost, port: dispatcherPort } = dispatcherListen;
    const place = { listen: chosen, advertise, dispatcherHost, dispatcherPort };
    const genesis = await conceive(request, place, clock, random);
    const active = await this.#found(genesis);
    this.#activate(active);
    logger.info(
      { node: genesis.identity.nodeId, cluster: genesis.identity.clusterId, advertise },
      'swarm_initialised',
    );
    await this.#agentJoined(active.replica, genesis.identity.nodeId);
    return genesis.identity.nodeId;
  }

  /** The log with its first transaction, then the identity: until that is whole nothing was promised. */
  async #found({ identity, changes }: Genesis): Promise<Active> {
    const { dataDir, random } = this.#options;
    const directory = identityDirectory(dataDir);
    let active: Active | undefined;
    try {
      await rm(directory, { recursive: true, force: true });
      active = await this.#open(identity, await tlsInfo(identity.caCertificate));
      const first = {
        id: newId(random),
        actor: { kind: 'user', name: 'docker swarm init' },
        reason: 'the swarm is made',
        decidedAt: active.replica.view.index,
        changes,
      } as const;
      const result = await this.#within(firstWriteMsMax, active.replica.propose([first]));
      if (result === undefined) throw new Error('the log did not take the first entry in time');
      if (result.kind === 'failed') throw new Error(result.message);
      const [outcome] = result.outcomes;
      if (outcome?.kind !== 'committed') throw new Error('the first entry was refused');
      await writeIdentity(dataDir, identity);
      return active;
    } catch (error) {
      if (active !== undefined) await close(active);
      await removeIdentity(dataDir).catch(() => undefined);
      await rm(directory, { recursive: true, force: true }).catch(() => undefined);
      this.#options.logger.error({ error }, 'swarm_init_failed');
      throw new ApiError(500, initFailure(error, dataDir));
    }
  }

  /** With the host's agent there, the node is shown ready from the first command on. */
  async #agentJoined(replica: Replica, nodeId: string): Promise<void> {
    const isReady = (): boolean => replica.view.nodes.get(nodeId)?.status.state === 'ready';
    let stop: () => void = () => undefined;
    const joined = new Promise<void>((resolve) => {
      stop = replica.subscribe(() => {
        if (isReady()) resolve();
      });
      if (isReady()) resolve();
    });
    await this.#within(agentMsMax, joined);
    stop();
  }

  async #within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.after(ms, () => resolve(undefined));
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  async #leave(force: boolean): Promise<void> {
    const { dataDir, logger } = this.#options;
    const { standing } = this;
    if (standing.kind === 'inactive') throw apiErrors.notInSwarm();
    if (standing.kind === 'manager' && !force) {
      const managers = [...standing.manager.replica.view.nodes.values()].filter(
        ({ role }) => role === 'manager',
      ).length;
      throw managers <= 1
        ? apiErrors.leaveLastManager()
        : apiErrors.leaveManager(managers - 1, managers);
    }
    // From here on every other process of the host stands down.
    await removeIdentity(dataDir);
    await this.#end();
    await rm(identityDirectory(dataDir), { recursive: true, force: true });
    this.#standing = { kind: 'inactive' };
    logger.info({}, 'swarm_left');
  }

  async #end(): Promise<void> {
    const active = this.#active;
    if (active === undefined) return;
    this.#active = undefined;
    this.#standing = { kind: 'inactive' };
    await close(active);
  }
}

/** The log lies beside the identity, so that leaving removes both. */
export function logDirectory(dataDir: string): string {
  return join(identityDirectory(dataDir), 'log');
}

async function close({ replica, client, voter }: Active): Promise<void> {
  replica.stop();
  client.close();
  await voter.stop();
}

function initFailure(error: unknown, dataDir: string): string {
  return `the swarm could not be made in ${dataDir}: ${errorMessage(error)}`;
}
