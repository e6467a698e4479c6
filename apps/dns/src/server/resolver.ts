import type { Clock, Monotonic, Random } from '@shoal/runtime';
import type { Forwarded, Forwarder } from '../upstream/forwarder.ts';
import { replyFor } from '../upstream/upstream-reply.ts';
import { classes, rcodes } from '../wire/protocol.ts';
import { isInternet, type ParsedQuery, parseQuery, type Query } from '../wire/query.ts';
import {
  emptyReply,
  errorReply,
  noErrorEmpty,
  type Reply,
  ReplyWriter,
  type Transport,
} from '../wire/reply-writer.ts';
import { lookup } from '../zone/lookup.ts';
import type { Asker, Zones } from '../zone/zones.ts';
import { ReadyAnswers } from './ready-answers.ts';

/** Asked by the resolver itself to see that its sockets work; class CH, any type. */
export const selfCheckName = 'self-check.shoal';

/** Questions of one client that may wait for upstreams: nobody takes the places of all. */
export const waitingMax = 256;

/** Transfers of zones and what else is no plain question (RFC 6895): MAILB, MAILA, IXFR, AXFR, TKEY, TSIG. */
const refusedTypes: ReadonlySet<number> = new Set([249, 250, 251, 252, 253, 254]);

export type Outcome =
  /** From the networks' own names, with addresses or without. */
  | 'answered'
  | 'empty'
  /** From upstreams. */
  | 'forwarded'
  | 'cached'
  | 'failed'
  /** A name of the outside for a container without a way out, or nothing that is served here. */
  | 'refused'
  | 'malformed'
  /** Without any answer. */
  | 'dropped';

/** Where a query came from. */
export interface Origin {
  readonly networkId: string;
  /** Canonical. */
  readonly address: string;
  readonly transport: Transport;
}

export interface ResolverOptions {
  readonly zones: Zones;
  readonly forwarder: Forwarder;
  readonly clock: Clock;
  /** For the order of answers. */
  readonly random: Random;
  /**
   * `type` is the record type's number; 0 where the query could not be read. Undefined milliseconds: it was not
   * timed, see {@link timedEvery}.
   */
  readonly observe: (
    transport: Transport,
    type: number,
    outcome: Outcome,
    ms: number | undefined,
  ) => void;
}

/** Of queries that need no upstream one in so many is timed: to time them all costs as much as a lookup. */
export const timedEvery = 16;

export type Answer = Buffer | undefined | Promise<Buffer | undefined>;

const refused = emptyReply(rcodes.refused, false);
const failed = emptyReply(rcodes.serverFailure, false);
const dropped: ParsedQuery = { kind: 'drop' };

function isSelfCheck(query: Query): boolean {
  return query.class === classes.CH && query.name === selfCheckName;
}

/** What comes back for what came in; nothing here knows of sockets. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #writer = new ReplyWriter();
  readonly #ready: ReadyAnswers;
  /** Questions of each client that upstreams have not answered yet. */
  readonly #waiting = new Map<string, number>();
  #untimed = 0;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#ready = new ReadyAnswers(options.random);
  }

  /** The reply, at once where that is possible; undefined: say nothing. */
  answer(packet: Buffer, origin: Origin): Answer {
    const { zones } = this.#options;
    const begun = this.#begun();
    const { transport } = origin;
    const ready = this.#ready.find(packet, origin, zones.generation);
    if (ready !== undefined) {
      const answer = this.#ready.give(packet, ready);
      this.#observe(transport, ready.type, ready.outcome, begun);
      return answer;
    }
    const asker = zones.asker(origin.networkId, origin.address);
    const parsed = asker === undefined ? dropped : parseQuery(packet);
    if (asker === undefined || parsed.kind === 'drop') {
      this.#observe(transport, 0, 'dropped', begun);
      return undefined;
    }
    if (parsed.kind === 'error') {
      this.#observe(transport, 0, 'malformed', begun);
      return errorReply(parsed.id, parsed.flags, parsed.rcode);
    }
    const { query } = parsed;
    // Nobody's query: it would only blur the figures.
    if (isSelfCheck(query)) return this.#writer.write(query, noErrorEmpty, transport);
    const own = this.#own(query, asker);
    if (own === undefined) return this.#ask(query, asker.upstreams, origin, begun);
    const outcome = own.rcode !== 0 ? 'refused' : own.answers.length > 0 ? 'answered' : 'empty';
    const bytes = this.#writer.write(query, own, transport);
    this.#ready.keep(packet, origin, query, own, { type: query.type, outcome, bytes });
    this.#observe(transport, query.type, outcome, begun);
    return bytes;
  }

  /** Asks those who know the outside. */
  #ask(
    query: Query,
    upstreams: readonly string[],
    origin: Origin,
    timed: Monotonic | undefined,
  ): Answer {
    const { transport } = origin;
    const { forwarder, clock } = this.#options;
    const cached = forwarder.cached(query, upstreams);
    if (cached !== undefined) return this.#finish(query, transport, timed, cached);
    const begun = timed ?? clock.monotonic();
    const client = `${origin.networkId} ${origin.address}`;
    const waiting = this.#waiting.get(client) ?? 0;
    if (waiting >= waitingMax) return this.#finish(query, transport, begun, { kind: 'busy' });
    this.#waiting.set(client, waiting + 1);
    return forwarder.forward(query, upstreams).then((forwarded) => {
      const left = (this.#waiting.get(client) ?? 1) - 1;
      if (left > 0) this.#waiting.set(client, left);
      else this.#waiting.delete(client);
      return this.#finish(query, transport, begun, forwarded);
    });
  }

  #finish(
    query: Query,
    transport: Transport,
    begun: Monotonic | undefined,
    forwarded: Forwarded,
  ): Buffer {
    if (forwarded.kind !== 'reply') {
      this.#observe(transport, query.type, 'failed', begun);
      return this.#writer.write(query, failed, transport);
    }
    this.#observe(transport, query.type, forwarded.cached ? 'cached' : 'forwarded', begun);
    return replyFor(forwarded.reply, query, transport, forwarded.ageSeconds);
  }

  /** Undefined for queries that are not timed. */
  #begun(): Monotonic | undefined {
    this.#untimed = (this.#untimed + 1) % timedEvery;
    return this.#untimed === 0 ? this.#options.clock.monotonic() : undefined;
  }

  #observe(
    transport: Transport,
    type: number,
    outcome: Outcome,
    begun: Monotonic | undefined,
  ): void {
    const { observe, clock } = this.#options;
    observe(transport, type, outcome, begun === undefined ? begun : clock.monotonic() - begun);
  }

  /** What is ours to answer; undefined where an upstream has to say. */
  #own(query: Query, asker: Asker): Reply | undefined {
    if (!isInternet(query) || refusedTypes.has(query.type)) return refused;
    const found = lookup(query, asker.zones, this.#options.random);
    return found ?? (asker.upstreams.length === 0 ? refused : undefined);
  }
}
