import type { HostPort } from '@shoal/runtime';
import type { Member, Rumour } from './member.ts';

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
}

/** How a host reaches the others. Packets may get lost, double, and out of order. */
export interface GossipTransport {
  send(to: HostPort, packet: Packet): void;
  /** Exchanges whole lists over a reliable way; undefined when the other cannot be reached. */
  sync(to: HostPort, list: readonly Member[]): Promise<readonly Member[] | undefined>;
  /** Whether the host answers over a reliable way: where only datagrams get lost, nobody has died. */
  reach(to: HostPort): Promise<boolean>;
  /** Bytes that the news take in a packet. */
  bytesOf(rumour: Rumour): number;
}
