import type {
  ServerReadableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  type DeliverOpening,
  type InstallSnapshotResponse,
  type SnapshotHeader,
  type SnapshotPart,
  type VotersClient,
  type VotersServer,
  VotersService,
} from '@shoal/proto';
import {
  type Clock,
  invariant,
  type Logger,
  type Random,
  type Term,
  type Timer,
} from '@shoal/runtime';
import { decodeMembership } from '../core/membership.ts';
import type { Envelope } from '../core/messages.ts';
import type { Arrivals, Transport } from '../node/transport.ts';
import type { Member, VoterId } from '../types.ts';
import type { DeliverStream } from '../wire/protocol.ts';
import type { Admission, AnyCall } from './admission.ts';
import { PeerLink, type PeerLinkOptions } from './peer-link.ts';
import { SnapshotReceive } from './snapshot-receive.ts';
import { type SnapshotMessage, SnapshotSend } from './snapshot-send.ts';
import {
  decodeMessage,
  MessageEncoder,
  positionOf,
  type StreamedMessage,
} from './wire-messages.ts';

/** How long the news of a commit waits for entries to go with, milliseconds. */
export const commitWaitsMs = 1;
/** Peers that are no members (any more) and are still answered; the quietest gives way to a new one. */
export const strangersMax = 8;
/** A stranger to whom nothing was said for so long is forgotten, milliseconds. */
const strangerQuietMsMax = 30_000;
const sweepMs = 5_000;

export interface PeerTransportOptions {
  readonly self: VoterId;
  readonly dial: PeerLinkOptions['dial'];
  /** A client with a connection of its own to the voter at this address. */
  readonly connect: (addr: string) => VotersClient;
  readonly admit: (call: AnyCall) => Admission;
  /** Called after each batch of messages was handed over. */
  readonly received: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How a peer is reached, for status and metrics. */
export interface PeerConnection {
  readonly id: VoterId;
  readonly connected: boolean;
  readonly waitingMessages: number;
  readonly waitingBytes: number;
  /** Messages that found no room since the connection was made. */
  readonly dropped: number;
}

interface Peer {
  readonly link: PeerLink;
  spokenAt: number;
  /** What this voter acknowledged last. */
  accepted: Accepted | undefined;
  /** Says that something is committed, and waits for entries that say so as well. */
  news: Append | undefined;
}

type Append = Extract<StreamedMessage, { kind: 'append' }>;
type Accepted = Extract<StreamedMessage, { kind: 'append-accepted' }>;

/**
 * Carries raft's messages between voters: one long-lived stream for each peer and direction, and gRPC for
 * snapshots.
 */
export class PeerTransport implements Transport {
  readonly #options: PeerTransportOptions;
  readonly #encoder = new MessageEncoder();
  readonly #peers = new Map<VoterId, Peer>();
  readonly #snapshots = new Map<VoterId, SnapshotSend>();
  readonly #incoming = new Set<DeliverStream>();
  #members: ReadonlyMap<VoterId, Member> = new Map();
  #arrivals: Arrivals | undefined;
  #sweep: Timer | undefined;
  #news: Timer | undefined;
  #forgetting = false;
  #telling = false;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
  }

  get definition(): typeof VotersService {
    return VotersService;
  }

  get implementation(): VotersServer & UntypedServiceImplementation {
    return {
      installSnapshot: (
        call: ServerReadableStream<SnapshotPart, InstallSnapshotResponse>,
        callback: sendUnaryData<InstallSnapshotResponse>,
      ) => this.#install(call, callback),
    };
  }

  get connections(): readonly PeerConnection[] {
    return [...this.#peers.values()].map(({ link }) => ({
      id: link.peer,
      connected: link.connected,
      waitingMessages: link.waiting.messages,
      waitingBytes: link.waiting.bytes,
      dropped: link.waiting.dropped,
    }));
  }

  start(arrivals: Arrivals): void {
    invariant(this.#arrivals === undefined, 'a transport is started once');
    this.#arrivals = arrivals;
    this.#armSweep();
  }

  members(members: readonly Member[]): void {
    this.#members = new Map(members.map((member) => [member.id, member]));
    for (const member of members)
      if (member.id !== this.#options.self) this.#reach(member.id, member.addr);
  }

  send(envelope: Envelope, content?: Iterable<Uint8Array>): void {
    const { to, message } = envelope;
    if (message.kind === 'snapshot') {
      invariant(content !== undefined, 'a snapshot has content');
      this.#sendSnapshot({ ...envelope, message }, content);
      return;
    }
    const peer = this.#peers.get(to);
    if (peer === undefined) return;
    if (message.kind === 'append' && message.entries.length === 0) {
      peer.news = message;
      this.#tellNewsLater();
      return;
    }
    // Entries carry the commit; with anything else the news goes first.
    if (message.kind === 'append') peer.news = undefined;
    else this.#tellNews(peer);
    this.#say(peer, message);
  }

  /**
   * Tells at once what was to wait: somebody who asked another voter is answered, and will look there for what
   * was committed.
   */
  hurryNews(): void {
    this.#news?.cancel();
    this.#news = undefined;
    for (const peer of this.#peers.values()) this.#tellNews(peer);
  }

  /** An answer to a client often brings the next proposal, whose entry says the same: two messages less for each. */
  #tellNewsLater(): void {
    this.#news ??= this.#options.clock.after(commitWaitsMs, () => this.hurryNews());
  }

  #tellNews(peer: Peer): void {
    const { news } = peer;
    if (news === undefined) return;
    peer.news = undefined;
    this.#say(peer, news);
  }

  #say(peer: Peer, message: StreamedMessage): void {
    peer.spokenAt = this.#options.clock.monotonic();
    const lingers = isRepeated(message, peer.accepted);
    if (message.kind === 'append-accepted') peer.accepted = message;
    const isAppend = message.kind === 'append';
    peer.link.send(this.#encoder.encode(message), isAppend, lingers ? 'linger' : 'now');
    this.#forgetSoon();
  }

  async stop(): Promise<void> {
    this.#arrivals = undefined;
    this.#sweep?.cancel();
    this.#news?.cancel();
    for (const { link } of this.#peers.values()) link.close();
    this.#peers.clear();
    for (const snapshot of this.#snapshots.values()) snapshot.cancel('the voter stops');
    for (const stream of this.#incoming) stream.end();
    this.#incoming.clear();
  }

  #reach(id: VoterId, addr: string): void {
    const known = this.#peers.get(id);
    if (known?.link.addr === addr) return;
    known?.link.close();
    const { self, dial, clock, random, logger } = this.#options;
    const ownAddr = (): string => this.#members.get(self)?.addr ?? '';
    const link = new PeerLink({ self, peer: id, addr, ownAddr, dial, clock, random, logger });
    const spokenAt = clock.monotonic();
    this.#peers.set(id, { link, spokenAt, accepted: undefined, news: undefined });
  }

  /** Takes what a peer sends; why not, if not. `nodeId` is what its certificate says. */
  deliver(stream: DeliverStream, opening: DeliverOpening, nodeId: string): string | undefined {
    const { from, to, fromAddr } = opening;
    const problem = (): string | undefined => this.#problem(from, to, nodeId);
    const refused = problem();
    if (refused !== undefined) return refused;
    const id = from as VoterId;
    if (fromAddr !== '' && !this.#members.has(id)) this.#meet(id, fromAddr);
    this.#incoming.add(stream);
    stream.on('close', () => this.#incoming.delete(stream));
    stream.on('end', () => stream.end());
    stream.on('data', (bytes) => {
      // Members come and go while a stream stands.
      if (problem() === undefined) this.#received(id, bytes);
      else stream.end();
    });
    return undefined;
  }

  /** Why what `nodeId` says as voter `from` is not taken. */
  #problem(from: number, to: number, nodeId: string): string | undefined {
    const { self } = this.#options;
    if (to !== self) return `this is voter ${self}, not ${to}`;
    if (from === self || from === 0) return `voter ${from} cannot write here`;
    const member = this.#members.get(from as VoterId);
    return member === undefined || member.nodeId === nodeId
      ? undefined
      : `voter ${from} is not of node ${nodeId}`;
  }

  #received(from: VoterId, bytes: Buffer): void {
    const message = decodeMessage(bytes);
    if (message !== undefined) this.#arrivals?.received(from, message);
    else this.#options.logger.warn({ peer: from }, 'peer_message_unknown');
    if (this.#telling) return;
    this.#telling = true;
    // Once for all that arrived together.
    queueMicrotask(() => {
      this.#telling = false;
      this.#options.received();
    });
  }

  /** One who is no member here: it may be one already elsewhere, or not know yet that it is none any more. */
  #meet(id: VoterId, addr: string): void {
    if (!this.#peers.has(id)) {
      const strangers = [...this.#peers].filter(([peer]) => !this.#members.has(peer));
      if (strangers.length >= strangersMax) {
        strangers.sort(([, a], [, b]) => a.spokenAt - b.spokenAt);
        this.#forget(strangers[0]?.[0]);
      }
    }
    this.#reach(id, addr);
  }

  #forget(id: VoterId | undefined): void {
    if (id === undefined) return;
    this.#peers.get(id)?.link.close();
    this.#peers.delete(id);
    this.#snapshots.get(id)?.cancel('the peer is no member any more');
  }

  #install(
    call: ServerReadableStream<SnapshotPart, InstallSnapshotResponse>,
    callback: sendUnaryData<InstallSnapshotResponse>,
  ): void {
    const admission = this.#options.admit(call);
    if (admission.kind === 'refused') {
      callback(admission.error);
      return;
    }
    new SnapshotReceive(call, callback, this.#options.clock, (header, content) => {
      const { from, to } = header;
      const wrong = this.#problem(from, to, admission.nodeId);
      const message = wrong === undefined ? snapshotMessage(header) : undefined;
      if (message === undefined) return wrong ?? 'not the header of a snapshot';
      this.#arrivals?.received(from as VoterId, message, content);
      return undefined;
    });
  }

  #sendSnapshot(
    envelope: Envelope & { readonly message: SnapshotMessage },
    content: Iterable<Uint8Array>,
  ): void {
    const { to } = envelope;
    const { connect, clock, logger } = this.#options;
    const addr = this.#members.get(to)?.addr ?? this.#peers.get(to)?.link.addr;
    // A newer one takes its place.
    this.#snapshots.get(to)?.cancel('a newer snapshot is sent');
    if (addr === undefined) {
      // Not within the call: the core is in the middle of a step.
      queueMicrotask(() => this.#arrivals?.snapshotLost(to));
      return;
    }
    const { index } = envelope.message.snapshot;
    logger.info({ peer: to, index }, 'snapshot_sending');
    const send: SnapshotSend = new SnapshotSend({
      envelope,
      content,
      client: connect(addr),
      clock,
      ended: (error) => {
        const current = this.#snapshots.get(to) === send;
        if (current) this.#snapshots.delete(to);
        if (error === undefined) return logger.info({ peer: to, index }, 'snapshot_sent');
        logger.warn({ peer: to, index, reason: error }, 'snapshot_lost');
        if (current) this.#arrivals?.snapshotLost(to);
      },
    });
    this.#snapshots.set(to, send);
  }

  /** The encoded entries are of use in this turn only. */
  #forgetSoon(): void {
    if (this.#forgetting) return;
    this.#forgetting = true;
    queueMicrotask(() => {
      this.#forgetting = false;
      this.#encoder.forget();
    });
  }

  #armSweep(): void {
    const { clock } = this.#options;
    this.#sweep = clock.after(sweepMs, () => {
      for (const [id, { spokenAt }] of this.#peers) {
        const quietMs = clock.monotonic() - spokenAt;
        if (!this.#members.has(id) && quietMs > strangerQuietMsMax) this.#forget(id);
      }
      this.#armSweep();
    });
  }
}

/** Says nothing new: nobody waits for it. */
function isRepeated(message: StreamedMessage, accepted: Accepted | undefined): boolean {
  return (
    message.kind === 'append-accepted' &&
    message.term === accepted?.term &&
    message.match === accepted.match
  );
}

function snapshotMessage(header: SnapshotHeader): SnapshotMessage | undefined {
  try {
    const membership = decodeMembership(header.membership);
    const snapshot = { ...positionOf(header.last), membership };
    return { kind: 'snapshot', term: header.term as Term, snapshot };
  } catch {
    return undefined;
  }
}
