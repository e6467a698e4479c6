import { type NodeNetwork, nodeNetworks } from '@shoal/overlay';
import type { DispatcherMessage, NetworkDigest, NetworkDigests, NetworkDrift } from '@shoal/proto';
import type { Clock, Monotonic } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import { driftGraceMs, driftMsMax, repairEveryMs, repairEveryMsMax } from './limits.ts';
import type { Implied, NetworkTruth } from './truth.ts';

export type DriftKind = 'names' | 'balancer' | 'peers';
const driftKinds: readonly DriftKind[] = ['names', 'balancer', 'peers'];

export interface SessionNetworksOptions {
  readonly nodeId: string;
  /** The agent was here before this session: what it knows of its networks it will say. */
  readonly returns: boolean;
  readonly truth: NetworkTruth;
  readonly clock: Clock;
  readonly send: (message: DispatcherMessage) => void;
  /** Whether the agent has yet to read what was sent. */
  readonly isBusy: () => boolean;
  /** A node was told all of a network because it served something else for too long. */
  readonly repaired: (networkId: string, kinds: readonly DriftKind[], pauseMs: number) => void;
}

/** A network of the session's node. */
interface Known {
  served: NetworkDigest | undefined;
  toldAt: Monotonic | undefined;
  /** Since when the node serves something else; undefined while it does not. */
  differsSince: Monotonic | undefined;
  repairs: number;
  /** What was served and what the log implied at the last look. */
  compared: string;
  /** Repairs since either of those changed. */
  inVain: number;
}

/** The networks of one session: what its node must have, what it serves, and when it has to be told more. */
export class SessionNetworks {
  readonly #options: SessionNetworksOptions;
  readonly #networks = new Map<string, Known>();
  /** The list last sent, as it went. */
  #sent: string | undefined;

  constructor(options: SessionNetworksOptions) {
    this.#options = options;
  }

  /** True while the node serves something else than the log implies. */
  get differs(): boolean {
    return [...this.#networks.values()].some(({ differsSince }) => differsSince !== undefined);
  }

  /** Sends the node's networks if they are others than it knows; of new ones all records too. */
  update(view: StateView): void {
    const networks = nodeNetworks(view, this.#options.nodeId);
    const text = JSON.stringify(networks);
    if (text === this.#sent) return;
    const first = this.#sent === undefined;
    this.#sent = text;
    const value = { networks: networks.map((each) => Buffer.from(JSON.stringify(each))) };
    this.#options.send({ body: { $case: 'networks', value } });
    this.#sync(networks);
    for (const { id } of networks) {
      const isKnown = first && this.#options.returns;
      if (!isKnown && this.#networks.get(id)?.toldAt === undefined) this.#tell(id);
    }
  }

  /** What the node says it serves. */
  received({ digests }: NetworkDigests): void {
    const now = this.#options.clock.monotonic();
    const served = new Map(digests.map((digest) => [digest.networkId, digest]));
    for (const [networkId, known] of this.#networks) {
      known.served = served.get(networkId);
      if (known.served !== undefined) continue;
      // It has the network and nobody in it: an agent that lost what it was told.
      const isUnderWay = known.toldAt !== undefined && now - known.toldAt < repairEveryMs;
      if (!isUnderWay && !this.#options.isBusy()) this.#tell(networkId);
    }
    this.look();
  }

  /** Compares, and tells the node all of a network in which it differs for too long. */
  look(): void {
    const now = this.#options.clock.monotonic();
    for (const [networkId, known] of this.#networks) {
      const implied = this.#options.truth.lately(networkId);
      const kinds = driftOf(known.served, implied);
      const compared = comparedOf(known.served, implied);
      if (compared !== known.compared) known.inVain = 0;
      known.compared = compared;
      if (kinds.length === 0) {
        known.differsSince = undefined;
        continue;
      }
      known.differsSince ??= now;
      if (this.#options.isBusy() || !isRepairDue(known, implied, now)) continue;
      known.repairs += 1;
      known.inVain += 1;
      this.#tell(networkId);
      this.#options.repaired(networkId, kinds, pauseMs(known));
    }
  }

  /** For people: what is served beside what the log implies. */
  drift(networkId: string): readonly NetworkDrift[] {
    const now = this.#options.clock.monotonic();
    return [...this.#networks].flatMap(([id, { served, differsSince, repairs }]) => {
      if (networkId !== '' && networkId !== id) return [];
      const { names, balancer, peers } = this.#options.truth.of(id);
      return {
        networkId: id,
        served: served ?? { networkId: id, names: '', balancer: '', peers: '', problems: [] },
        implied: { networkId: id, names, balancer, peers, problems: [] },
        differsMs: differsSince === undefined ? 0 : Math.max(1, Math.round(now - differsSince)),
        repairs,
      };
    });
  }

  #sync(networks: readonly NodeNetwork[]): void {
    const ids = new Set(networks.map(({ id }) => id));
    for (const id of this.#networks.keys()) if (!ids.has(id)) this.#networks.delete(id);
    for (const id of ids) {
      if (this.#networks.has(id)) continue;
      this.#networks.set(id, {
        served: undefined,
        toldAt: undefined,
        differsSince: undefined,
        repairs: 0,
        compared: '',
        inVain: 0,
      });
    }
  }

  #tell(networkId: string): void {
    const known = this.#networks.get(networkId);
    if (known === undefined) return;
    known.toldAt = this.#options.clock.monotonic();
    const { records } = this.#options.truth.of(networkId);
    const value = { networkId, records: [...records] };
    this.#options.send({ body: { $case: 'networkRecords', value } });
  }
}

/** A consumer of which nothing is known is not there, and serves nothing wrong. */
function driftOf(served: NetworkDigest | undefined, implied: Implied): DriftKind[] {
  if (served === undefined) return [];
  return driftKinds.filter((kind) => served[kind] !== '' && served[kind] !== implied[kind]);
}

function comparedOf(served: NetworkDigest | undefined, implied: Implied): string {
  return [served, implied].map((each) => driftKinds.map((kind) => each?.[kind])).join();
}

function pauseMs({ inVain }: Known): number {
  return Math.min(repairEveryMs * 2 ** inVain, repairEveryMsMax);
}

/**
 * A host is always a moment behind or ahead of the log: counted is from when the records last changed,
 * unless they never stand still.
 */
function isRepairDue(known: Known, implied: Implied, now: Monotonic): boolean {
  const since = known.differsSince ?? now;
  if (known.toldAt !== undefined && now - known.toldAt < pauseMs(known)) return false;
  return now - Math.max(since, implied.changedAt) >= driftGraceMs || now - since >= driftMsMax;
}
