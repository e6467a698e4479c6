import type { Clock, Logger, Random } from '@shoal/runtime';
import { type LeaseSource, ownershipOf, type Replica } from '@shoal/stage';
import type { Node, StateView } from '@shoal/state';
import {
  absencePeriods,
  gracePeriods,
  heartbeatJitter,
  heartbeatMsDefault,
  heartbeatMsMax,
  unknownPeriods,
} from './limits.ts';
import { Liveness } from './liveness.ts';
import type { DispatcherMetrics } from './metrics.ts';
import { downWrite, unknownWrite } from './node-writes.ts';
import type { Write } from './writer.ts';

export interface NodeWatchOptions {
  readonly replica: Replica;
  readonly lease: LeaseSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: DispatcherMetrics;
  readonly add: (write: Write) => void;
  readonly hasSession: (nodeId: string) => boolean;
  /** Its agent did not say a word in time. */
  readonly endSession: (nodeId: string) => void;
}

const nanosPerMs = 1_000_000;

/** Notices nodes that went silent or did not come back, and writes it: first as unknown, then as down. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #liveness: Liveness;
  /** Nodes that lost their dispatcher just now; they count as ready for a little longer. */
  readonly #missing = new Set<string>();

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#liveness = new Liveness(options.clock, (nodeId) => this.#lost(nodeId));
  }

  /** Notes a sign of life; returns when the next is expected, milliseconds. */
  heard(nodeId: string): number {
    const jitter = 1 + heartbeatJitter * (2 * this.#options.random.next() - 1);
    const heartbeatMs = Math.round(this.periodMs * jitter);
    this.#missing.delete(nodeId);
    this.#liveness.heard(nodeId, heartbeatMs * gracePeriods);
    return heartbeatMs;
  }

  /** Looks at every node: who is responsible for which may be different now. */
  lookAtAll(): void {
    const { view } = this.#options.replica;
    for (const node of view.nodes.values()) this.look(node, view);
  }

  /** Waits for a node that should come back to this replica; leaves alone what others wait for. */
  look(node: Node, view: StateView): void {
    if (this.#options.hasSession(node.id)) return;
    if (node.status.state === 'down' || !this.#isResponsible(node, view)) {
      this.forget(node.id);
    } else if (!this.#liveness.expects(node.id)) {
      if (node.status.state === 'ready') this.#missing.add(node.id);
      const periods = node.status.state === 'ready' ? unknownPeriods : absencePeriods;
      this.#liveness.expect(node.id, this.periodMs * periods);
    }
  }

  forget(nodeId: string): void {
    this.#liveness.forget(nodeId);
    this.#missing.delete(nodeId);
  }

  stop(): void {
    for (const nodeId of this.#liveness.nodes) this.forget(nodeId);
  }

  /** Between two heartbeats, without their jitter, milliseconds. */
  get periodMs(): number {
    const nanos = this.#options.replica.view.cluster?.spec.Dispatcher.HeartbeatPeriod ?? 0;
    return nanos > 0 ? Math.min(nanos / nanosPerMs, heartbeatMsMax) : heartbeatMsDefault;
  }

  /** Exactly one live dispatcher notices that a node stays away: the last to hold it, or by hash. */
  #isResponsible(node: Node, view: StateView): boolean {
    const me = this.#options.lease.current?.id;
    if (me === undefined) return false;
    const last = node.status.dispatcher;
    if (last === me) return true;
    if (view.leases.get(last)?.stage === 'dispatcher') return false;
    return ownershipOf(view.leases, 'dispatcher').owner(node.id) === me;
  }

  #lost(nodeId: string): void {
    const { add, hasSession, endSession, lease, metrics, logger } = this.#options;
    const responsible = (node: Node, view: StateView): boolean =>
      !hasSession(nodeId) && this.#isResponsible(node, view);
    if (this.#missing.delete(nodeId)) {
      this.#liveness.expect(nodeId, this.periodMs * (absencePeriods - unknownPeriods));
      add(unknownWrite(nodeId, responsible));
      return;
    }
    endSession(nodeId);
    // Nobody could have come back meanwhile: with the next lease its time begins anew.
    if (lease.current === undefined) return;
    add(
      downWrite(nodeId, responsible, (committed) => {
        if (!committed) return;
        metrics.nodeDown();
        logger.warn({ node: nodeId }, 'node_down');
      }),
    );
  }
}
