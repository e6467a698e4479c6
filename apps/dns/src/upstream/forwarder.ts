import { type Clock, type HostPort, parseHostPort, type Random } from '@shoal/runtime';
import type { Query } from '../wire/query.ts';
import type { Exchange, Exchanged } from './exchange.ts';
import { type Cached, ReplyCache } from './reply-cache.ts';
import { type ReadReply, readReply, type UpstreamReply, upstreamQuery } from './upstream-reply.ts';

/** Different questions under way at once, and clients that wait for the same one. */
export const forwardLimits = { questionsMax: 1_024, waitersMax: 256 } as const;
/** Docker's resolver asks the next server after four seconds; until then there should be an answer. */
const timeoutsMs = { udp: 1_200, tcp: 1_500, whole: 3_800 } as const;
/** Questions to servers for one of a client. */
const attemptsMax = 4;
/** How long a server that was silent is asked last, milliseconds. */
const silentMs = 10_000;
const dnsPort = 53;

export type ExchangeOutcome =
  | 'answered'
  | 'refused'
  | 'truncated'
  | 'without-edns'
  | 'timeout'
  | 'unreachable';

export type Forwarded =
  | ({ readonly kind: 'reply'; readonly cached: boolean } & Cached)
  /** No upstream could say. */
  | { readonly kind: 'failed' }
  /** Too much is under way. */
  | { readonly kind: 'busy' };

export interface ForwarderOptions {
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly random: Random;
  readonly cache?: ReplyCache;
  /** Told how each question to a server ended, and after how many milliseconds. */
  readonly observe: (upstream: string, outcome: ExchangeOutcome, ms: number) => void;
}

interface UnderWay {
  readonly outcome: Promise<UpstreamReply | undefined>;
  waiters: number;
}

/** Asks upstreams for names of the outside, once for all who ask the same. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #underWay = new Map<string, UnderWay>();
  /** Servers that did not answer, and until when they are asked last. */
  readonly #silent = new Map<string, number>();
  readonly cache: ReplyCache;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.cache = options.cache ?? new ReplyCache();
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** The answer from the cache, if there: the caller need not wait for a turn of the loop. */
  cached(query: Query, upstreams: readonly string[]): Forwarded | undefined {
    const found = this.cache.get(keyOf(query, upstreams), this.#options.clock.monotonic());
    return found === undefined ? undefined : { kind: 'reply', cached: true, ...found };
  }

  async forward(query: Query, upstreams: readonly string[]): Promise<Forwarded> {
    const key = keyOf(query, upstreams);
    const known = this.#underWay.get(key);
    if (known === undefined && this.#underWay.size >= forwardLimits.questionsMax) {
      return { kind: 'busy' };
    }
    if (known !== undefined && known.waiters >= forwardLimits.waitersMax) return { kind: 'busy' };
    const { outcome } = known ?? this.#begin(key, query, upstreams);
    if (known !== undefined) known.waiters += 1;
    const reply = await outcome;
    return reply === undefined
      ? { kind: 'failed' }
      : { kind: 'reply', cached: false, reply, ageSeconds: 0 };
  }

  #begin(key: string, query: Query, upstreams: readonly string[]): UnderWay {
    const outcome = this.#ask(query, upstreams).then((reply) => {
      this.#underWay.delete(key);
      if (reply !== undefined) this.cache.put(key, reply, this.#options.clock.monotonic());
      return reply;
    });
    const begun: UnderWay = { outcome, waiters: 1 };
    this.#underWay.set(key, begun);
    return begun;
  }

  async #ask(query: Query, upstreams: readonly string[]): Promise<UpstreamReply | undefined> {
    const { clock } = this.#options;
    const servers = this.#order(upstreams);
    const end = clock.monotonic() + timeoutsMs.whole;
    for (let attempt = 0; attempt < attemptsMax && servers.length > 0; attempt += 1) {
      const left = end - clock.monotonic();
      const server = servers[attempt % servers.length];
      if (left <= 0 || server === undefined) break;
      const reply = await this.#askServer(query, server, end);
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  /** The upstreams in the order to ask them: those that were silent of late come last. */
  #order(upstreams: readonly string[]): readonly string[] {
    const now = this.#options.clock.monotonic();
    for (const [upstream, until] of this.#silent) if (until <= now) this.#silent.delete(upstream);
    const silent = (upstream: string): number => (this.#silent.has(upstream) ? 1 : 0);
    return [...upstreams].sort((a, b) => silent(a) - silent(b));
  }

  async #askServer(
    query: Query,
    upstream: string,
    end: number,
  ): Promise<UpstreamReply | undefined> {
    const server = serverOf(upstream);
    if (server === undefined) return undefined;
    const ask = (over: 'udp' | 'tcp', edns: boolean): Promise<ReadReply | undefined> =>
      this.#exchange(query, { upstream, server, over, edns, end });
    let edns = true;
    let read = await ask('udp', edns);
    if (read?.kind === 'without-edns') {
      edns = false;
      read = await ask('udp', edns);
    }
    if (read?.kind === 'truncated') read = await ask('tcp', edns);
    return read?.kind === 'reply' ? read.reply : undefined;
  }

  async #exchange(
    query: Query,
    how: {
      readonly upstream: string;
      readonly server: HostPort;
      readonly over: 'udp' | 'tcp';
      readonly edns: boolean;
      readonly end: number;
    },
  ): Promise<ReadReply | undefined> {
    const { clock, random, exchange, observe } = this.#options;
    const begun = clock.monotonic();
    const ms = Math.min(timeoutsMs[how.over], how.end - begun);
    if (ms <= 0) return undefined;
    const [high = 0, low = 0] = random.bytes(2);
    const asked = upstreamQuery(query, high * 256 + low, how.edns);
    const result = await exchange[how.over](
      how.server,
      asked,
      (packet) => {
        const read = readReply(packet, asked, query.question.length);
        return read.kind === 'foreign' ? undefined : read;
      },
      ms,
    );
    observe(how.upstream, outcomeOf(result), clock.monotonic() - begun);
    if (result.kind === 'answer') {
      this.#silent.delete(how.upstream);
      return result.answer;
    }
    this.#silent.set(how.upstream, clock.monotonic() + silentMs);
    return undefined;
  }
}

function outcomeOf(result: Exchanged<ReadReply>): ExchangeOutcome {
  if (result.kind !== 'answer') return result.kind;
  const { kind } = result.answer;
  return kind === 'reply' ? 'answered' : kind === 'foreign' ? 'refused' : kind;
}

/** `address:port`; an address alone is at the port of DNS. */
function serverOf(upstream: string): HostPort | undefined {
  return (
    parseHostPort(upstream) ??
    parseHostPort(upstream.includes(':') ? `[${upstream}]:${dnsPort}` : `${upstream}:${dnsPort}`)
  );
}

/** Everything that an answer depends on. */
function keyOf(query: Query, upstreams: readonly string[]): string {
  const { name, type, edns } = query;
  const wanted = `${query.flags & 0x30}${edns?.signatures === true ? 's' : ''}`;
  return `${name} ${type} ${query.class} ${wanted} ${upstreams.join(' ')}`;
}
