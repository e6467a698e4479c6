import { Dispatcher, noMetrics, SessionCall } from '@shoal/dispatcher';
import type { DispatcherClient } from '@shoal/proto';
import type { Clock, HostPort, Logger } from '@shoal/runtime';
import {
  type SeededRandom,
  type SimulatedNetwork,
  SimulatedProcess,
  type SimulatedVoter,
  StreamEnd,
} from '@shoal/sim';
import { LeaseHolder, RemoteReplica } from '@shoal/stage';
import type { Sealed } from '@shoal/state';

/** For the voter of a simulation every process is one of this node. */
const simulatedVoterNode = 'simulated';
/** Values of gRPC's connectivity state. */
const connectivity = { ready: 2, failing: 3 } as const;

/** Seals nothing, and opens only what was sealed for the place. */
export const fakeSeal = {
  open: ({ sealed }: Sealed, place: string): Uint8Array | undefined => {
    const [at, hex] = sealed.split(' ');
    return at === place ? Buffer.from(hex ?? '', 'hex') : undefined;
  },
  seal: (plain: Uint8Array, place: string): Sealed => ({
    sealed: `${place} ${Buffer.from(plain).toString('hex')}`,
  }),
};

export interface DispatcherRoleOptions {
  readonly name: string;
  /** Of the host it runs on, by which others find that host's gossip. */
  readonly addr: HostPort;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly voter: SimulatedVoter;
  readonly logger: Logger;
}

/** A dispatcher that is killed and started again. */
export class DispatcherRole {
  readonly #options: DispatcherRoleOptions;
  #process: SimulatedProcess | undefined;
  #dispatcher: Dispatcher | undefined;

  constructor(options: DispatcherRoleOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get alive(): boolean {
    return this.#process?.alive === true;
  }

  /** The core of the process that runs; undefined while none does. */
  get core(): Dispatcher | undefined {
    return this.alive ? this.#dispatcher : undefined;
  }

  start(): void {
    if (this.alive) return;
    const { name, addr, voter, logger } = this.#options;
    const process = new SimulatedProcess(name, this.#options.clock, this.#options.random.fork());
    const { clock, random } = process;
    const common = { client: () => voter.clientFor(process), clock, random, logger };
    this.#process = process;
    this.#dispatcher = new Dispatcher({
      replica: new RemoteReplica({ ...common, follower: name }),
      lease: new LeaseHolder({
        ...common,
        id: `dispatcher@${simulatedVoterNode}/${name}`,
        stage: 'dispatcher',
        nodeId: simulatedVoterNode,
        address: `${addr.host}:2378`,
      }),
      keySeal: fakeSeal,
      openRegistryAuth: () => undefined,
      ...{ clock, random, logger },
      metrics: noMetrics,
    });
  }

  kill(): boolean {
    if (!this.alive) return false;
    this.#process?.kill();
    return true;
  }

  /** The way of an agent's process to this dispatcher. */
  client(
    agent: SimulatedProcess,
    { nodeId, addr }: { readonly nodeId: string; readonly addr: HostPort },
    isCut: () => boolean,
  ): DispatcherClient {
    const { network } = this.#options;
    const open = (): StreamEnd => {
      const server = this.#process ?? agent;
      const ends = StreamEnd.pair(network, agent, server);
      network.send(agent.name, server.name, () => {
        const core = this.#process === server ? this.core : undefined;
        if (core === undefined) ends.server.breakOff();
        else
          new SessionCall(
            core,
            ends.server as unknown as ConstructorParameters<typeof SessionCall>[1],
            nodeId,
            addr.host,
          );
      });
      return ends.client;
    };
    const state = () => (isCut() ? connectivity.failing : connectivity.ready);
    const client = {
      session: open,
      getChannel: () => ({ getConnectivityState: state }),
      close: () => undefined,
    };
    return client as unknown as DispatcherClient;
  }
}
