import {
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  type FollowOpening,
  type HoldLeaseRequest,
  type HoldLeaseResponse,
  type LogServer,
  LogService,
  type Proposal,
  type ProposeOpening,
  type StatusRequest,
  type StatusResponse,
} from '@shoal/proto';
import type { Clock, Logger, Monotonic, Random, Timer } from '@shoal/runtime';
import { encodeTransaction, type Outcome, type Transaction } from '@shoal/state';
import type { ServedFollow, ServedProposals } from '../wire/protocol.ts';
import type { Admission, AnyCall } from './admission.ts';
import { Batcher } from './batcher.ts';
import { Cadence, type Pace } from './cadence.ts';
import { EntryMessages } from './entry-messages.ts';
import { FollowerFeed, ImageSlots } from './follower-feed.ts';
import { isForwarded, type LeaderRoute } from './leader-route.ts';
import { serveLease } from './lease-call.ts';
import { forwardLease } from './lease-forward.ts';
import { LeaseKeeper } from './leases.ts';
import { proposeHere, servePropose } from './propose-call.ts';
import { ProposeForward } from './propose-forward.ts';
import type { LogFailure, ServedLog } from './served-log.ts';
import { completeStatus, type OwnStatus, statusWithMembers } from './status-call.ts';
import type { VoterMachine } from './voter-machine.ts';

/** Followers served at once. */
const followersMax = 256;
/** Snapshots on their way at once; each keeps alive what changes meanwhile. */
export const imagesMax = 4;
/** A follower that takes nothing for so long is cut off, milliseconds; it resumes where it stands. */
export const stallMsMax = 30_000;
const stallCheckMs = 5_000;
/**
 * Followers that need not have entries at once get those of so many milliseconds together. What is decided step by step,
 * one stage after the other, is over after a few times; who goes on longer has work for everybody, and each message wakes a
 * process, which costs as much as fifteen entries.
 */
const feedPace: Pace = (inARow) => (inARow <= 10 ? 5 : 20);

/** As long after somebody wrote or asked here, somebody may wait for this host's own copy of the state, milliseconds. */
export const promptForMs = 1_000;

/** What a call emits when it is over, one or several of them. */
const over = ['cancelled', 'error', 'close', 'finish'] as const;
const ending = { code: status.UNAVAILABLE, details: 'this voter ends the stream' } as const;

export interface VoterServiceOptions {
  readonly log: ServedLog;
  readonly machine: VoterMachine;
  /** Who may ask how it stands. */
  readonly admit: (call: AnyCall) => Admission;
  /** Who may hold leases. */
  readonly admitPresent: (call: AnyCall) => Admission;
  readonly status: () => OwnStatus;
  /** The way to the leader; absent where this voter is the only one there can be. */
  readonly route?: LeaderRoute | undefined;
  /** Called when a proposal that another voter passed on was answered. */
  readonly forwardedAnswered?: (() => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The `Log` service of one voter. */
export class VoterService {
  readonly #options: VoterServiceOptions;
  readonly #batcher: Batcher;
  readonly #keeper: LeaseKeeper;
  readonly #feeds = new Map<FollowerFeed, ServedFollow>();
  readonly #messages: EntryMessages;
  readonly #slots = new ImageSlots(imagesMax);
  readonly #duplex = new Set<NodeJS.EventEmitter>();
  readonly #proposals = new Set<ServedProposals>();
  readonly #forward: ProposeForward | undefined;
  readonly #cadence: Cadence;
  #stallCheck: Timer | undefined;
  /** When a client of this voter last wrote or asked. */
  #askedAt: Monotonic | undefined;

  constructor(options: VoterServiceOptions) {
    this.#options = options;
    const { log, machine, clock, random, logger } = options;
    this.#messages = new EntryMessages(log);
    this.#batcher = new Batcher({
      log,
      clock,
      lastTime: machine.time,
      onPayload: (payload, time, transactions) => machine.know(payload, time, transactions),
    });
    machine.onApplied((applied) => this.#batcher.passed(applied.time));
    this.#keeper = new LeaseKeeper({
      view: () => machine.view,
      propose: (transaction) => this.propose(transaction),
      leading: () => log.status.role === 'leader',
      clock,
      random,
      logger,
    });
    this.#cadence = new Cadence(clock, feedPace, () => {
      for (const feed of this.#feeds.keys()) feed.pump();
    });
    const { route } = options;
    const local = (proposal: Proposal) => proposeHere(proposal, this.#batcher);
    this.#forward = route && new ProposeForward({ route, local, clock });
    this.#watchStalls();
  }

  /** Proposals passed on to the leader since the start. */
  get forwarded(): number {
    return this.#forward?.forwarded ?? 0;
  }

  get definition(): typeof LogService {
    return LogService;
  }

  get implementation(): LogServer & UntypedServiceImplementation {
    return {
      holdLease: (call: ServerDuplexStream<HoldLeaseRequest, HoldLeaseResponse>) => {
        const nodeId = this.#admitStream(call);
        if (nodeId === undefined) return;
        this.#track(call);
        void this.#holdLease(call, nodeId);
      },
      status: (
        call: ServerUnaryCall<StatusRequest, StatusResponse>,
        callback: sendUnaryData<StatusResponse>,
      ) => {
        const admission = this.#options.admit(call);
        if (admission.kind === 'refused') callback(admission.error);
        else void this.status(isForwarded(call)).then((response) => callback(null, response));
      },
    };
  }

  /** Serves one stream of proposals of a manager. */
  serveProposals(stream: ServedProposals, opening: ProposeOpening): void {
    const { log, route, forwardedAnswered, clock } = this.#options;
    this.#proposals.add(stream);
    stream.on('close', () => this.#proposals.delete(stream));
    servePropose(stream, opening, {
      log,
      batcher: this.#batcher,
      route,
      forward: this.#forward,
      forwardedAnswered,
      asked: () => this.#asked(),
      clock,
    });
  }

  /** Serves one follower of the log; returns why not, if not. */
  serveFollower(stream: ServedFollow, opening: FollowOpening): string | undefined {
    const { log, clock, logger } = this.#options;
    const { follower, after } = opening;
    if (this.#feeds.size >= followersMax) return `this voter has ${followersMax} followers already`;
    const now = (): Monotonic => clock.monotonic();
    const feed = new FollowerFeed(stream, opening, log, this.#messages, this.#slots, now);
    this.#feeds.set(feed, stream);
    stream.on('close', () => {
      if (!this.#feeds.delete(feed)) return;
      feed.close();
      logger.info({ follower }, 'follower_left');
    });
    logger.info({ follower, after }, 'follower_joined');
    // After the answer that the stream is taken.
    queueMicrotask(() => feed.pump());
    return undefined;
  }

  /** `own`: without asking the leader. Never fails. */
  status(own = false): Promise<StatusResponse> {
    const { status, route, clock } = this.#options;
    const response = completeStatus(status(), this.#feeds.size);
    if (own || route === undefined) return Promise.resolve(response);
    return statusWithMembers(response, route, clock);
  }

  /** The committed index moved. */
  committed(): void {
    if (this.#isAsked()) this.#feedPrompt();
    this.#cadence.ask();
  }

  leadershipGained(): void {
    this.#keeper.leadershipGained();
  }

  leadershipLost(): void {
    this.#keeper.leadershipLost();
  }

  /** Proposes for the log itself and resolves with the outcome on this voter's own state. */
  async propose(transaction: Transaction): Promise<Outcome | LogFailure> {
    let forget = (): void => undefined;
    const outcome = new Promise<Outcome>((resolve) => {
      forget = this.#options.machine.awaitOutcome(transaction.id, resolve);
    });
    const bytes = encodeTransaction(transaction);
    const result = await this.#batcher.submit([{ bytes, transaction }]);
    if (result.kind === 'committed') return outcome;
    forget();
    return result;
  }

  /** Ends every stream, so that the server can be shut down. */
  stop(): void {
    this.#keeper.stop();
    this.#forward?.stop();
    this.#stallCheck?.cancel();
    this.#cadence.stop();
    for (const stream of this.#feeds.values()) stream.end();
    for (const call of this.#duplex) call.emit('error', ending);
    for (const stream of this.#proposals) stream.end();
  }

  #asked(): void {
    const goesOn = this.#isAsked();
    this.#askedAt = this.#options.clock.monotonic();
    if (!goesOn) this.#feedPrompt();
  }

  /** While nobody does, who is to have entries at once has them with the others: on most managers of a cluster. */
  #isAsked(): boolean {
    const at = this.#askedAt;
    return at !== undefined && this.#options.clock.monotonic() - at < promptForMs;
  }

  #feedPrompt(): void {
    for (const feed of this.#feeds.keys()) if (feed.prompt) feed.pump();
  }

  async #holdLease(
    call: ServerDuplexStream<HoldLeaseRequest, HoldLeaseResponse>,
    nodeId: string,
  ): Promise<void> {
    const { route } = this.#options;
    if (isForwarded(call)) return serveLease(call, this.#keeper, undefined);
    if (route === undefined) return serveLease(call, this.#keeper, nodeId);
    // Until somebody listens to it nothing is read of the stream.
    const found = await route.find();
    if (call.cancelled) return;
    if (found.kind === 'failed')
      call.emit('error', { code: status.UNAVAILABLE, details: found.message });
    else if (found.kind === 'here') serveLease(call, this.#keeper, nodeId);
    else forwardLease(call, found.member, nodeId, route);
  }

  #track(call: NodeJS.EventEmitter): void {
    this.#duplex.add(call);
    for (const event of over) call.on(event, () => this.#duplex.delete(call));
  }

  /** The node id of the caller; undefined when it was sent away. */
  #admitStream(call: AnyCall & NodeJS.EventEmitter): string | undefined {
    const admission = this.#options.admitPresent(call);
    if (admission.kind === 'admitted') return admission.nodeId;
    call.emit('error', admission.error);
    return undefined;
  }

  #watchStalls(): void {
    const { clock, logger } = this.#options;
    this.#stallCheck = clock.after(stallCheckMs, () => {
      for (const [feed, stream] of this.#feeds) {
        const since = feed.stalledSince;
        if (since === undefined || clock.monotonic() - since < stallMsMax) continue;
        logger.warn({ stalledMs: clock.monotonic() - since }, 'follower_stalled');
        stream.cancel();
      }
      this.#watchStalls();
    });
  }
}
