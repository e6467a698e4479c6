import type { LogEnd, LogLines, LogSubscription } from '@shoal/proto';
import { newId, type Random } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import { logSubscriptionsMax } from './limits.ts';
import type { DispatcherMetrics } from './metrics.ts';
import type { Session } from './session.ts';

/** Who asked for logs. */
export interface LogSubscriber {
  /** False when it is slow to read: publishers then pause until `drained`. */
  send(lines: LogLines): boolean;
  end(): void;
}

/** One agent's stream of lines. */
export interface PublishedLogs {
  pause(): void;
  resume(): void;
  /** Nobody wants the lines any more. */
  cancel(): void;
}

interface Subscription {
  /** As the agents know it. */
  readonly id: string;
  readonly request: LogSubscription;
  readonly taskIds: ReadonlySet<string>;
  readonly subscriber: LogSubscriber;
  /** Nodes that have not delivered everything. */
  readonly nodes: Map<string, PublishedLogs | undefined>;
  /** Some lines may be had by asking again. */
  isBroken: boolean;
  /** No node left out lines because of `tail`, as far as they have said. */
  isWhole: boolean;
}

export interface LogRelayOptions {
  readonly random: Random;
  readonly metrics: DispatcherMetrics;
  readonly sessionOf: (nodeId: string) => Session | undefined;
}

/**
 * Passes log lines from agents to whoever asked. Keeps none: a slow reader slows its own streams down, and
 * no other. A subscription ends when every node has delivered or is known to be gone; it says what is
 * missing, and whether that may be had by asking again.
 */
export class LogRelay {
  readonly #options: LogRelayOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #bySubscriber = new Map<LogSubscriber, Subscription>();
  readonly #byPublisher = new Map<PublishedLogs, Subscription>();

  constructor(options: LogRelayOptions) {
    this.#options = options;
  }

  subscribe(view: StateView, request: LogSubscription, subscriber: LogSubscriber): void {
    if (this.#subscriptions.size >= logSubscriptionsMax) {
      this.#gaps(request, subscriber, ['too many log subscriptions at this dispatcher']);
      this.#end(request, subscriber, { broken: true, whole: false });
      return;
    }
    const { byNode, gaps } = this.#group(view, request);
    const subscription: Subscription = {
      id: newId(this.#options.random),
      request,
      taskIds: new Set(request.taskIds),
      subscriber,
      // Who asks may know more than this replica does yet.
      isBroken: gaps.length > 0,
      isWhole: gaps.length === 0,
      nodes: new Map([...byNode.keys()].map((nodeId) => [nodeId, undefined])),
    };
    if (gaps.length > 0) this.#gaps(request, subscriber, gaps);
    this.#subscriptions.set(subscription.id, subscription);
    this.#bySubscriber.set(subscriber, subscription);
    this.#count();
    for (const [nodeId, taskIds] of byNode) {
      const value = { ...request, id: subscription.id, taskIds };
      this.#options.sessionOf(nodeId)?.send({ body: { $case: 'logSubscription', value } });
    }
    this.#endIfDone(subscription);
  }

  /** The subscriber has left. */
  unsubscribe(subscriber: LogSubscriber): void {
    const subscription = this.#bySubscriber.get(subscriber);
    if (subscription === undefined) return;
    this.#forget(subscription);
    for (const [nodeId, publisher] of subscription.nodes) {
      const value = { id: subscription.id };
      this.#options.sessionOf(nodeId)?.send({ body: { $case: 'logCancel', value } });
      if (publisher === undefined) continue;
      this.#byPublisher.delete(publisher);
      publisher.cancel();
    }
  }

  drained(subscriber: LogSubscriber): void {
    const subscription = this.#bySubscriber.get(subscriber);
    for (const publisher of subscription?.nodes.values() ?? []) publisher?.resume();
  }

  /** Lines from a node; false when there is nobody (any more) who asked this node for them. */
  publish(nodeId: string, message: LogLines, publisher: PublishedLogs): boolean {
    const subscription = this.#subscriptions.get(message.subscriptionId);
    if (subscription === undefined || !subscription.nodes.has(nodeId)) return false;
    const asked = subscription.nodes.get(nodeId);
    if (asked !== undefined && asked !== publisher) return false;
    subscription.nodes.set(nodeId, publisher);
    this.#byPublisher.set(publisher, subscription);
    const { gaps, end } = message;
    if (end !== undefined) {
      subscription.isBroken ||= end.broken;
      subscription.isWhole &&= end.whole;
      if (message.lines.length + gaps.length === 0) return true;
    }
    const lines = message.lines.filter(({ taskId }) => subscription.taskIds.has(taskId));
    // A node speaks for itself only.
    for (const line of lines) line.nodeId = nodeId;
    this.#options.metrics.logLines(lines.length);
    this.#options.metrics.logGaps(gaps.length);
    const relayed = { subscriptionId: subscription.request.id, lines, gaps, end: undefined };
    if (!subscription.subscriber.send(relayed)) publisher.pause();
    return true;
  }

  /** The stream of a node has ended. */
  published(nodeId: string, publisher: PublishedLogs, failed: boolean): void {
    const subscription = this.#byPublisher.get(publisher);
    if (subscription === undefined) return;
    this.#byPublisher.delete(publisher);
    if (failed) this.#missing(subscription, nodeId);
    subscription.nodes.delete(nodeId);
    this.#endIfDone(subscription);
  }

  /** The node's session has ended; what it publishes already may still come to its end. */
  nodeGone(nodeId: string): void {
    for (const subscription of [...this.#subscriptions.values()]) {
      if (!subscription.nodes.has(nodeId) || subscription.nodes.get(nodeId) !== undefined) continue;
      this.#missing(subscription, nodeId);
      subscription.nodes.delete(nodeId);
      this.#endIfDone(subscription);
    }
  }

  stop(): void {
    for (const subscription of [...this.#subscriptions.values()]) {
      const { request, subscriber } = subscription;
      this.#gaps(request, subscriber, ['the dispatcher is stopped']);
      this.unsubscribe(subscriber);
      this.#end(request, subscriber, { broken: true, whole: false });
    }
  }

  #group(view: StateView, request: LogSubscription) {
    const byNode = new Map<string, string[]>();
    const gaps = new Set<string>();
    for (const taskId of request.taskIds) {
      const nodeId = view.tasks.get(taskId)?.nodeId ?? '';
      if (nodeId === '') gaps.add(`task ${taskId} has not been scheduled`);
      else if (this.#options.sessionOf(nodeId) === undefined)
        gaps.add(`node ${nodeId} is not available`);
      else byNode.set(nodeId, [...(byNode.get(nodeId) ?? []), taskId]);
    }
    return { byNode, gaps: [...gaps] };
  }

  #missing(subscription: Subscription, nodeId: string): void {
    const { request, subscriber } = subscription;
    subscription.isBroken = true;
    this.#gaps(request, subscriber, [`node ${nodeId} disconnected unexpectedly`]);
  }

  #gaps(request: LogSubscription, subscriber: LogSubscriber, gaps: string[]): void {
    this.#options.metrics.logGaps(gaps.length);
    subscriber.send({ subscriptionId: request.id, lines: [], gaps, end: undefined });
  }

  #endIfDone(subscription: Subscription): void {
    if (subscription.nodes.size > 0 || !this.#subscriptions.has(subscription.id)) return;
    this.#forget(subscription);
    const { request, subscriber, isBroken, isWhole } = subscription;
    this.#end(request, subscriber, { broken: isBroken, whole: isWhole && !isBroken });
  }

  #end({ id }: LogSubscription, subscriber: LogSubscriber, end: LogEnd): void {
    subscriber.send({ subscriptionId: id, lines: [], gaps: [], end });
    subscriber.end();
  }

  #forget({ id, subscriber }: Subscription): void {
    this.#subscriptions.delete(id);
    this.#bySubscriber.delete(subscriber);
    this.#count();
  }

  #count(): void {
    this.#options.metrics.logSubscriptions(this.#subscriptions.size);
  }
}
