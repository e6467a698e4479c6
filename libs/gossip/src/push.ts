import { type Clock, within } from '@shoal/runtime';
import { pushesAtOnceMax } from './limits.ts';
import type { Member } from './member.ts';
import type { TableNews } from './tables/record.ts';
import type { GossipTransport } from './transport.ts';

/** Node ids of hosts that serve what was pushed, and of those that did not say so in time. */
export interface Pushed {
  readonly acknowledged: readonly string[];
  readonly missing: readonly string[];
}

interface PushOptions {
  readonly peers: readonly Member[];
  readonly news: TableNews;
  readonly transport: GossipTransport;
  readonly clock: Clock;
  readonly waitMs: number;
}

/** Tells each peer, a bounded number at the same time; never longer than `waitMs`. */
export async function pushToAll(options: PushOptions): Promise<Pushed> {
  const { peers, news, transport, clock, waitMs } = options;
  const acknowledged: string[] = [];
  const waiting = [...peers];
  let over = false;
  const one = async (): Promise<void> => {
    for (let peer = waiting.shift(); peer !== undefined && !over; peer = waiting.shift()) {
      const answer = await transport.ask(peer.addr, { kind: 'push', news });
      if (answer?.kind === 'pushed' && !over) acknowledged.push(peer.id);
    }
  };
  const all = Promise.all(Array.from({ length: pushesAtOnceMax }, one));
  await within(clock, waitMs, all);
  over = true;
  const heard = new Set(acknowledged);
  return { acknowledged, missing: peers.flatMap(({ id }) => (heard.has(id) ? [] : [id])) };
}
