import type { Proposal, ProposeResponse } from '@shoal/proto';
import {
  type Clock,
  errorMessage,
  type LogIndex,
  later,
  type Monotonic,
  type Timer,
} from '@shoal/runtime';
import type { Member, VoterId } from '../types.ts';
import type { ProposeStream } from '../wire/protocol.ts';
import type { LeaderRoute } from './leader-route.ts';
import { type Answer, failureOf } from './propose-answer.ts';

/** Proposals passed on and not answered yet, with those that wait for a leader; more are `busy`. */
export const forwardedMax = 8_192;
const forwardedBytesMax = 32 * 1024 * 1024;
/** Pause before the leader is tried again after it could not be reached or did not lead, milliseconds. */
const retryMs = 50;
const sweepMs = 100;

interface Item {
  readonly order: number;
  readonly proposal: Proposal;
  readonly bytes: number;
  readonly until: Monotonic;
  readonly resolve: (answer: Answer) => void;
}

interface LeaderStream {
  readonly leader: VoterId;
  readonly addr: string;
  readonly call: ProposeStream;
  /** The leader has accepted the stream: from here on what is written may be committed. */
  accepted: boolean;
  blocked: boolean;
}

export interface ProposeForwardOptions {
  readonly route: LeaderRoute;
  /** Proposes on this voter's own log. */
  readonly local: (proposal: Proposal) => Promise<Answer>;
  readonly clock: Clock;
}

/**
 * Carries this voter's proposals to the leader, in their order, on one stream. What was sent when the
 * stream breaks may be committed or not; what was not sent waits for the next leader, but not for long.
 */
export class ProposeForward {
  readonly #options: ProposeForwardOptions;
  readonly #stopListening: () => void;
  readonly #sent = new Map<number, Item>();
  #waiting: Item[] = [];
  #bytes = 0;
  #order = 0;
  #forwarded = 0;
  #stream: LeaderStream | undefined;
  #retry: Timer | undefined;
  #sweep: Timer | undefined;

  constructor(options: ProposeForwardOptions) {
    this.#options = options;
    this.#stopListening = options.route.onChange(() => this.#leaderChanged());
  }

  /** Proposals passed on to another voter since the start. */
  get forwarded(): number {
    return this.#forwarded;
  }

  submit(proposal: Proposal): Promise<Answer> {
    const bytes = proposal.transactions.reduce((sum, each) => sum + each.length, 0);
    const count = this.#waiting.length + this.#sent.size;
    if (count >= forwardedMax || this.#bytes + bytes > forwardedBytesMax) {
      const message = 'too many proposals wait for the leader; try again';
      return Promise.resolve({ kind: 'failed', code: 'busy', message });
    }
    const { clock, route } = this.#options;
    const until = later(clock.monotonic(), route.waitMsMax);
    return new Promise((resolve) => {
      this.#order += 1;
      this.#bytes += bytes;
      this.#waiting.push({ order: this.#order, proposal, bytes, until, resolve });
      this.#flush();
    });
  }

  stop(): void {
    this.#stopListening();
    this.#retry?.cancel();
    this.#sweep?.cancel();
    this.#dropStream('the voter is stopping');
    for (const item of this.#waiting.splice(0))
      this.#settle(item, noLeader('the voter is stopping'));
  }

  #leaderChanged(): void {
    const { current } = this.#options.route;
    const stream = this.#stream;
    const same =
      current.kind === 'peer' &&
      current.member.id === stream?.leader &&
      current.member.addr === stream.addr;
    // While nobody leads, the old leader's answers may still come.
    if (!same && current.kind !== 'none') this.#dropStream('the leader changed');
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#flush();
  }

  #flush(): void {
    if (this.#waiting.length === 0) return;
    this.#armSweep();
    const { current } = this.#options.route;
    if (current.kind === 'here') this.#proposeHere();
    else if (current.kind === 'peer' && this.#retry === undefined) this.#sendTo(current.member);
  }

  #proposeHere(): void {
    for (const item of this.#waiting.splice(0))
      void this.#options.local(item.proposal).then((answer) => this.#settle(item, answer));
  }

  #sendTo(member: Member): void {
    this.#stream ??= this.#open(member);
    const stream = this.#stream;
    if (!stream.accepted) return;
    let sent = 0;
    for (const item of this.#waiting) {
      if (stream.blocked) break;
      sent += 1;
      this.#sent.set(item.order, item);
      this.#forwarded += 1;
      const body = { $case: 'proposal', value: item.proposal } as const;
      stream.blocked = !stream.call.write({ requestId: item.order, body });
    }
    if (sent > 0) this.#waiting.splice(0, sent);
  }

  #open(member: Member): LeaderStream {
    const call = this.#options.route.clientsOf(member).log.propose({ forwarded: true });
    const { id: leader, addr } = member;
    const stream: LeaderStream = { leader, addr, call, accepted: false, blocked: false };
    const ended = (reason: string): void => {
      if (this.#stream !== stream) return;
      this.#dropStream(reason);
      this.#retryLater();
    };
    call.on('open', () => {
      stream.accepted = true;
      if (this.#stream === stream) this.#flush();
    });
    call.on('drain', () => {
      stream.blocked = false;
      if (this.#stream === stream) this.#flush();
    });
    call.on('data', (response) => this.#answered(response));
    call.on('error', (error) => ended(errorMessage(error)));
    call.on('end', () => ended('the leader ended the stream'));
    return stream;
  }

  #answered(response: ProposeResponse): void {
    const item = this.#sent.get(response.requestId);
    if (item === undefined) return;
    this.#sent.delete(response.requestId);
    if (response.error === undefined) {
      this.#settle(item, { index: response.index as LogIndex });
      return;
    }
    const failed = failureOf(response.error);
    const again = failed.code === 'no-leader' && item.until > this.#options.clock.monotonic();
    if (!again) {
      this.#settle(item, failed);
      return;
    }
    // It was not taken in: the next leader may have it, before what came after it.
    const at = this.#waiting.findIndex(({ order }) => order > item.order);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, item);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#armSweep();
    this.#retry ??= this.#options.clock.after(retryMs, () => {
      this.#retry = undefined;
      this.#flush();
    });
  }

  #dropStream(reason: string): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    stream.call.cancel();
    const message = `${reason}; the proposal may still be committed`;
    const lost = [...this.#sent.values()];
    this.#sent.clear();
    for (const item of lost)
      this.#settle(item, { kind: 'failed', code: 'unknown-outcome', message });
  }

  #settle(item: Item, answer: Answer): void {
    this.#bytes -= item.bytes;
    item.resolve(answer);
  }

  /** What waited too long is told so. */
  #armSweep(): void {
    if (this.#sweep !== undefined) return;
    this.#sweep = this.#options.clock.after(sweepMs, () => {
      this.#sweep = undefined;
      const now = this.#options.clock.monotonic();
      const late = this.#waiting.filter(({ until }) => until <= now);
      if (late.length > 0) this.#waiting = this.#waiting.filter(({ until }) => until > now);
      const { current } = this.#options.route;
      const message =
        current.kind === 'none' ? current.message : 'the leader of the swarm cannot be reached';
      for (const item of late) this.#settle(item, noLeader(message));
      this.#flush();
    });
  }
}

function noLeader(message: string): Answer {
  return { kind: 'failed', code: 'no-leader', message };
}
