import type { Envelope, Message } from '../core/messages.ts';
import type { Member, VoterId } from '../types.ts';

/** What a transport tells its node. */
export interface Arrivals {
  /** `content` belongs to a `snapshot` message, which is handed over when its first byte is there. */
  received(from: VoterId, message: Message, content?: AsyncIterable<Uint8Array>): void;
  /** A `snapshot` message to this voter did not get through. */
  snapshotLost(to: VoterId): void;
}

/** The way between voters. May lose, delay, reorder and repeat messages, never change them. */
export interface Transport {
  /** Called once, before anything is sent. */
  start(arrivals: Arrivals): void;
  /** Whom to reach, and where: called at the start and when the membership changes. */
  members(members: readonly Member[]): void;
  /** Never waits. `content` goes with a `snapshot` message and is read while it is sent. */
  send(envelope: Envelope, content?: Iterable<Uint8Array>): void;
  /** Nothing arrives any more once it resolves. */
  stop(): Promise<void>;
}
