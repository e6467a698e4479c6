import type {
  AgentMessage,
  ImageSource,
  LogLines,
  LogSubscription,
  Register,
  SwarmView,
  TaskStatuses,
} from '@shoal/proto';
import { type Clock, type Logger, newId, type Random } from '@shoal/runtime';
import type { LeaseSource, Replica, ReplicaEvent } from '@shoal/stage';
import type { AppliedChange, Node, StateView } from '@shoal/state';
import type { KeySeal } from '../network/keys.ts';
import { Networks } from '../network/networks.ts';
import { isScaledByLoad, type OpenRegistryAuth } from './assignments.ts';
import { takenDataPath } from './data-path.ts';
import { type ImageQuestion, imageSources, needsImage } from './image-sources.ts';
import { LeaseLoss } from './lease-loss.ts';
import {
  descriptionEveryMs,
  descriptionsMax,
  gracePeriods,
  registrationEveryMs,
  registrationsMax,
  reportsPerSessionMax,
} from './limits.ts';
import { LogRelay, type LogSubscriber, type PublishedLogs } from './log-relay.ts';
import type { DispatcherMetrics } from './metrics.ts';
import { NodeAllowance } from './node-allowance.ts';
import { NodeWatch } from './node-watch.ts';
import { presenceWrite, readDescription } from './node-writes.ts';
import { type AgentLink, type Refusal, Session } from './session.ts';
import { takeStatuses } from './status-intake.ts';
import { swarmView } from './swarm-view.ts';
import { type TaskDocuments, taskDocuments } from './task-documents.ts';
import { type Write, Writer } from './writer.ts';

export interface DispatcherOptions {
  readonly replica: Replica;
  readonly lease: LeaseSource;
  readonly openRegistryAuth: OpenRegistryAuth;
  /** For the keys of the hosts' gossip and the secrets of tasks; absent: neither is given. */
  readonly keySeal?: KeySeal | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: DispatcherMetrics;
}

export type Registration =
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * Holds the sessions of the agents that chose this replica: tells each what to run, brings what they
 * report into the log, and notices nodes that went silent. All it remembers can be lost at any time:
 * agents come back with what they have.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #registrations = new NodeAllowance(registrationsMax, registrationEveryMs);
  readonly #descriptions = new NodeAllowance(descriptionsMax, descriptionEveryMs);
  readonly #watch: NodeWatch;
  readonly #writer: Writer;
  readonly #logs: LogRelay;
  readonly #leaseLoss: LeaseLoss;
  /** Overlay networks: what nodes must have and serve. */
  readonly networks: Networks;
  readonly #ends: (() => void)[] = [];
  #stopped = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#writer = new Writer(options);
    this.#watch = new NodeWatch({
      ...options,
      add: (write) => this.#writer.add(write),
      hasSession: (nodeId) => this.#sessions.has(nodeId),
      endSession: (nodeId) => this.#silent(nodeId),
    });
    this.#logs = new LogRelay({
      random: options.random,
      metrics: options.metrics,
      sessionOf: (nodeId) => this.#sessions.get(nodeId),
    });
    this.networks = new Networks({
      ...options,
      view: () => options.replica.view,
      seal: options.keySeal,
      add: (write) => this.#writer.add(write),
    });
    // Cut off from the log, it keeps its agents from a dispatcher that is not, and from being seen by it.
    const noLease: Refusal = { kind: 'unavailable', message: 'the dispatcher has no lease' };
    this.#leaseLoss = new LeaseLoss(
      options.lease,
      options.clock,
      () => this.#watch.periodMs * gracePeriods,
      () => {
        this.#endAll(noLease);
        // Nobody can come back before there is a lease again: then all have their time from the start.
        this.#watch.lookAtAll();
      },
    );
    this.#ends.push(
      options.replica.subscribe((event) => this.#applied(event)),
      options.lease.subscribe(() => this.#watch.lookAtAll()),
    );
    this.#watch.lookAtAll();
  }

  /** What a task of the node is given to read. */
  documents(nodeId: string, taskId: string): TaskDocuments {
    const { replica, keySeal } = this.#options;
    return taskDocuments(replica.view, { nodeId, taskId }, (sealed, place) =>
      keySeal?.open(sealed, place),
    );
  }

  /** Other nodes that have an image; undefined when no task of the node needs it. */
  imageSources(question: ImageQuestion): readonly ImageSource[] | undefined {
    const { replica, random } = this.#options;
    if (!needsImage(replica.view, question.nodeId, question.image)) return undefined;
    return imageSources(replica.view, question, random);
  }

  /** Whether the node may be given the image. */
  async imageWanted(nodeId: string, image: string): Promise<boolean> {
    const { replica } = this.#options;
    const isWanted = (): boolean => this.knows(nodeId) && needsImage(replica.view, nodeId, image);
    if (isWanted()) return true;
    // The dispatcher of that node may have read more of the log than this one.
    await replica.catchUp();
    return isWanted();
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /**
   * Opens the session of a node whose identity was proved, first making sure that this replica has seen
   * everything committed: an agent removes what it is not told of.
   */
  async register(
    nodeId: string,
    addr: string,
    message: Register,
    link: AgentLink,
  ): Promise<Registration> {
    const description = readDescription(message.description);
    if (description === undefined) return this.#refuse('invalid', 'not a node description');
    const caughtUp = await this.#options.replica.catchUp();
    if (caughtUp.kind === 'failed') return this.#refuse('unavailable', caughtUp.message);
    if (this.#stopped) return this.#refuse('unavailable', 'the dispatcher is stopped');
    const lease = this.#options.lease.current;
    if (lease === undefined) return this.#refuse('unavailable', 'the dispatcher has no lease');
    const view = this.#options.replica.view;
    const swarm = this.knows(nodeId) ? this.#swarmOf(nodeId) : undefined;
    if (swarm === undefined) return this.#refuse('not-found', `node ${nodeId} not found`);
    // Last: what this replica was not able to take is not the node's fault.
    if (!this.#registrations.admit(nodeId, this.#options.clock.monotonic())) {
      const text = `node ${nodeId} exceeded rate limit count of registrations`;
      return this.#refuse('exhausted', text);
    }
    const taken = takenDataPath(view, { nodeId, addr, description });
    if (taken !== undefined) return this.#refuse(taken.kind, taken.message);
    const session = this.#open(nodeId, addr, description, link);
    const heartbeatMs = this.#watch.heard(session.nodeId);
    session.sendRegistered(heartbeatMs, swarm);
    this.#present(session);
    this.networks.begin(session, message.previousSession !== '');
    session.sendComplete(view);
    return { kind: 'session', session };
  }

  /** Whether the node is in the swarm: its certificate outlives its removal. */
  knows(nodeId: string): boolean {
    const { nodes, cluster } = this.#options.replica.view;
    return nodes.get(nodeId) !== undefined && cluster?.removedNodes?.[nodeId] === undefined;
  }

  /** Whether it is one of the managers: its certificate outlives its demotion too. */
  knowsManager(nodeId: string): boolean {
    return this.knows(nodeId) && this.#options.replica.view.nodes.get(nodeId)?.role === 'manager';
  }

  /** One message of a session's agent. */
  receive(session: Session, message: AgentMessage): void {
    if (session.closed) return;
    switch (message.body?.$case) {
      case 'heartbeat': {
        this.#options.metrics.heartbeat();
        const heartbeatMs = this.#watch.heard(session.nodeId);
        session.send({ body: { $case: 'heartbeat', value: { heartbeatMs } } });
        this.#confirm(session);
        return;
      }
      case 'statuses':
        this.#reports(session, message.body.value);
        return;
      case 'description':
        this.#describe(session, message.body.value);
        return;
      case 'networkDigests':
        this.networks.received(session.nodeId, message.body.value);
        return;
      case 'pathResults':
        this.networks.paths.answered(session.nodeId, message.body.value);
        return;
      case 'register':
        this.#end(session, { kind: 'invalid', message: 'the session is registered' });
        return;
      case undefined:
        // A message of a newer agent.
        return;
    }
  }

  /** The agent has read what was sent. */
  drained(session: Session): void {
    session.drained(this.#options.replica.view);
  }

  /** The stream of the session has ended. That alone does not make the node down. */
  closed(session: Session): void {
    session.ended();
    if (this.#sessions.get(session.nodeId) !== session) return;
    this.#forget(session);
  }

  subscribeLogs(request: LogSubscription, subscriber: LogSubscriber): void {
    this.#logs.subscribe(this.#options.replica.view, request, subscriber);
  }

  unsubscribeLogs(subscriber: LogSubscriber): void {
    this.#logs.unsubscribe(subscriber);
  }

  subscriberDrained(subscriber: LogSubscriber): void {
    this.#logs.drained(subscriber);
  }

  publishLogs(nodeId: string, lines: LogLines, publisher: PublishedLogs): boolean {
    return this.#logs.publish(nodeId, lines, publisher);
  }

  publisherEnded(nodeId: string, publisher: PublishedLogs, failed: boolean): void {
    this.#logs.published(nodeId, publisher, failed);
  }

  /** Ends all sessions; the agents look for another dispatcher. */
  stop(): void {
    this.#stopped = true;
    for (const end of this.#ends) end();
    this.#endAll({ kind: 'unavailable', message: 'the dispatcher is stopped' });
    this.#leaseLoss.stop();
    this.#watch.stop();
    this.#logs.stop();
    this.networks.stop();
    this.#writer.stop();
  }

  #refuse(kind: Refusal['kind'], message: string): Registration {
    this.#options.metrics.registration('refused');
    return { kind: 'refused', refusal: { kind, message } };
  }

  #open(
    nodeId: string,
    addr: string,
    description: Session['description'],
    link: AgentLink,
  ): Session {
    const { random, openRegistryAuth, metrics, logger } = this.#options;
    const before = this.#sessions.get(nodeId);
    if (before !== undefined) {
      this.#end(before, { kind: 'replaced', message: 'the node opened another session' });
    }
    const id = newId(random);
    const session = new Session({
      id,
      nodeId,
      addr,
      description,
      link,
      openRegistryAuth,
      metrics,
      logger,
    });
    this.#sessions.set(nodeId, session);
    metrics.registration('accepted');
    metrics.sessions(this.#sessions.size);
    logger.info({ node: nodeId, addr, session: id }, 'session_opened');
    return session;
  }

  /** Each one may become an entry of the log. */
  #describe(session: Session, bytes: Uint8Array): void {
    const { nodeId, addr } = session;
    const { clock, replica } = this.#options;
    const description = readDescription(bytes);
    if (description === undefined) {
      this.#end(session, { kind: 'invalid', message: 'not a node description' });
      return;
    }
    if (!this.#descriptions.admit(nodeId, clock.monotonic())) {
      const message = `node ${nodeId} exceeded rate limit count of descriptions`;
      this.#end(session, { kind: 'exhausted', message });
      return;
    }
    const taken = takenDataPath(replica.view, { nodeId, addr, description });
    if (taken !== undefined) {
      this.#end(session, taken);
      return;
    }
    session.description = description;
    this.#present(session);
  }

  #end(session: Session, reason: Refusal): void {
    session.close(reason);
    if (this.#sessions.get(session.nodeId) === session) this.#forget(session);
  }

  #endAll(reason: Refusal): void {
    for (const session of [...this.#sessions.values()]) this.#end(session, reason);
  }

  #forget(session: Session): void {
    this.#sessions.delete(session.nodeId);
    this.#logs.nodeGone(session.nodeId);
    this.networks.end(session.nodeId);
    this.#options.metrics.sessions(this.#sessions.size);
    this.#options.logger.info({ node: session.nodeId, session: session.id }, 'session_closed');
  }

  #silent(nodeId: string): void {
    const session = this.#sessions.get(nodeId);
    if (session === undefined) return;
    this.#end(session, { kind: 'unavailable', message: 'no heartbeat in time' });
  }

  #present(session: Session): void {
    const lease = this.#options.lease.current;
    session.isPresented = lease !== undefined;
    if (lease === undefined) return;
    const { nodeId, description, addr } = session;
    this.#writer.add(
      presenceWrite(
        { nodeId, description, addr, dispatcher: lease.id },
        () => this.#sessions.get(nodeId) === session,
      ),
    );
  }

  /**
   * Puts right what was written about the node while this replica was cut off and could not object, though the
   * session went on, and what could not be written for want of a lease.
   */
  #confirm(session: Session): void {
    const { view } = this.#options.replica;
    const status = view.nodes.get(session.nodeId)?.status;
    const me = this.#options.lease.current?.id;
    if (status === undefined || me === undefined) return;
    if (status.state !== 'ready' || !session.isPresented) this.#present(session);
    else if (status.dispatcher !== me) this.#yieldOrPresent(session, status.dispatcher, view);
  }

  /** A live dispatcher that calls the node ready has its newer session; a dead one has none. */
  #yieldOrPresent(session: Session, other: string, view: StateView): void {
    if (view.leases.get(other) === undefined) this.#present(session);
    // Only registering writes this. An own registration under way would be refused and come again.
    else if (!this.#writer.waitsFor(`node/${session.nodeId}`))
      this.#end(session, { kind: 'replaced', message: 'the node chose another dispatcher' });
  }

  #reports(session: Session, message: TaskStatuses): void {
    if (session.acknowledgements.openReports + message.reports.length > reportsPerSessionMax) {
      this.#end(session, { kind: 'exhausted', message: 'too many reports' });
      return;
    }
    const { replica, logger } = this.#options;
    const add = (write: Write): void => this.#writer.add(write);
    takeStatuses(session, message, { view: () => replica.view, logger, add });
  }

  #applied(event: ReplicaEvent): void {
    const { view } = this.#options.replica;
    if (event.kind === 'reset') {
      this.networks.reset();
      for (const session of [...this.#sessions.values()]) {
        if (view.nodes.get(session.nodeId) === undefined) {
          this.#nodeChanged(session.nodeId, undefined, view);
          continue;
        }
        session.sendComplete(view);
        this.#sendSwarm(session);
      }
      this.#watch.lookAtAll();
      return;
    }
    const touched = new Set<Session>();
    let leases = false;
    let swarm = false;
    for (const change of event.entry.changes) {
      if (change.table === 'task') this.#taskChanged(change, touched);
      else if (change.table === 'service') this.#serviceChanged(change, view, touched);
      else if (change.table === 'node') {
        this.#nodeChanged(change.id, change.after, view);
        swarm ||= change.before?.manager?.addr !== change.after?.manager?.addr;
      } else if (change.table === 'cluster') swarm = true;
      else if (change.table === 'lease')
        leases ||= (change.before ?? change.after)?.stage === 'dispatcher';
    }
    for (const taskId of this.networks.applied(event.entry.changes)) {
      const session = this.#sessions.get(view.tasks.get(taskId)?.nodeId ?? '');
      session?.touch(taskId);
      if (session !== undefined) touched.add(session);
    }
    for (const session of touched) session.flush(view);
    if (leases || swarm) for (const session of this.#sessions.values()) this.#sendSwarm(session);
    if (leases) this.#watch.lookAtAll();
  }

  #taskChanged(change: AppliedChange & { readonly table: 'task' }, touched: Set<Session>): void {
    for (const nodeId of new Set([change.before?.nodeId, change.after?.nodeId])) {
      const session = nodeId === undefined ? undefined : this.#sessions.get(nodeId);
      if (session === undefined) continue;
      session.touch(change.id);
      touched.add(session);
    }
  }

  /** Another revision may have its tasks measured, or no longer. */
  #serviceChanged(
    { id, before, after }: AppliedChange & { readonly table: 'service' },
    view: StateView,
    touched: Set<Session>,
  ): void {
    if (before === undefined || after === undefined || before.revision === after.revision) return;
    if (isScaledByLoad(view, before) === isScaledByLoad(view, after)) return;
    for (const task of view.tasks.byService(id)) {
      const session = this.#sessions.get(task.nodeId);
      if (session === undefined) continue;
      session.touch(task.id);
      touched.add(session);
    }
  }

  #nodeChanged(nodeId: string, node: Node | undefined, view: StateView): void {
    const session = this.#sessions.get(nodeId);
    if (node === undefined) {
      this.#watch.forget(nodeId);
      this.#registrations.forget(nodeId);
      this.#descriptions.forget(nodeId);
      if (session !== undefined) {
        this.#end(session, { kind: 'not-found', message: `node ${nodeId} was removed` });
      }
      return;
    }
    if (session !== undefined) this.#sendSwarm(session);
    const { state, dispatcher } = node.status;
    const elsewhere = dispatcher !== this.#options.lease.current?.id && view.leases.get(dispatcher);
    if (session !== undefined && elsewhere && state === 'ready')
      this.#yieldOrPresent(session, dispatcher, view);
    this.#watch.look(node, view);
  }

  #swarmOf(nodeId: string): SwarmView | undefined {
    const { view } = this.#options.replica;
    return swarmView(view, nodeId, this.networks.keys.ring(view.cluster));
  }

  #sendSwarm(session: Session): void {
    const swarm = this.#swarmOf(session.nodeId);
    if (swarm !== undefined) session.sendSwarm(swarm);
  }
}
