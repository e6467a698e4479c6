import type { HostPort } from '@shoal/runtime';
import type { Member, Rumour } from './member.ts';
import type { TableNews } from './tables/record.ts';

/** One probe, or an answer to one. Sequences are the asker's own. */
export type Probe =
  /** `target`: who is meant; another host may have the address by now. */
  | { readonly kind: 'ping'; readonly sequence: number; readonly target: string }
  /** Please ping this one and pass on what comes of it. */
  | {
      readonly kind: 'ping-request';
      readonly sequence: number;
      readonly target: string;
      readonly addr: HostPort;
    }
  | { readonly kind: 'ack'; readonly sequence: number }
  /** The asked host lives, but has no answer from the target (Lifeguard, 4.1). */
  | { readonly kind: 'nack'; readonly sequence: number };

/** One datagram. */
export interface Packet {
  readonly from: string;
  readonly probe: Probe | undefined;
  readonly rumours: readonly Rumour[];
  readonly tables: readonly TableNews[];
}

/** How a host reaches the others. Packets may get lost, double, and out of order. */
export interface GossipTransport {
  send(to: HostPort, packet: Packet): void;
  /** Asks over a reliable way; undefined when the other cannot be reached, or gives no answer in time. */
  ask(to: HostPort, question: Question): Promise<Answer | undefined>;
}

/** A table and what is in it, in a few bytes. */
export interface TableDigest {
  readonly network: string;
  readonly digest: string;
}

export interface TableOwners {
  readonly network: string;
  /** The host is not in the network. */
  readonly absent: boolean;
  /** Digest by owner. */
  readonly owners: ReadonlyMap<string, string>;
}

export interface TableExchange extends TableNews {
  /** Of whom all records go along, and are wanted. */
  readonly owners: readonly string[];
}

/** What one host asks another over a connection. */
export type Question =
  /**
   * Answered by `target` alone: another host may have the address by now. With a digest over the members
   * that are known; the empty one is of nobody.
   */
  | { readonly kind: 'reach'; readonly target: string; readonly digest: string }
  | { readonly kind: 'members'; readonly list: readonly Member[] }
  | { readonly kind: 'digests'; readonly tables: readonly TableDigest[] }
  | { readonly kind: 'records'; readonly tables: readonly TableExchange[] }
  /** Answered once the records are served there. */
  | { readonly kind: 'push'; readonly news: TableNews };

export type Answer =
  /** Whether it knows the same members. */
  | { readonly kind: 'reached'; readonly same: boolean }
  | { readonly kind: 'members'; readonly list: readonly Member[] }
  /** Of the tables that differ. */
  | { readonly kind: 'owners'; readonly tables: readonly TableOwners[] }
  | { readonly kind: 'records'; readonly tables: readonly TableNews[] }
  | { readonly kind: 'pushed' };

/** One message of a connection. */
export type Frame =
  /** The first: who it is that asks. */
  | { readonly kind: 'hello'; readonly self: Member }
  | { readonly kind: 'question'; readonly sequence: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly sequence: number; readonly answer: Answer };
