import {
  EntryKind,
  encoded,
  type LogEntry,
  type VoteRequest,
  VoterMessage,
  type LogPosition as WirePosition,
} from '@shoal/proto';
import type { LogIndex, Term } from '@shoal/runtime';
import type { LogPosition, Message } from '../core/messages.ts';
import type { Entry } from '../types.ts';

/** What travels in `VoterMessages`; a snapshot has a stream of its own. */
export type StreamedMessage = Exclude<Message, { kind: 'snapshot' }>;
type Append = Extract<Message, { kind: 'append' }>;
type Body = NonNullable<VoterMessage['body']>;

const wireKinds = {
  normal: EntryKind.NORMAL,
  empty: EntryKind.EMPTY,
  membership: EntryKind.MEMBERSHIP,
} as const satisfies Record<Entry['kind'], EntryKind>;

/** The entry as followers and voters are sent it; its data is shared, not copied. */
export function wireEntry(entry: Entry): LogEntry {
  const { index, term, data } = entry;
  return { index, term, kind: wireKinds[entry.kind], data: bufferOf(data) };
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Encodes messages; the entries that go to several peers one after the other are encoded once. */
export class MessageEncoder {
  #last: { readonly message: Append; readonly bytes: Buffer } | undefined;

  encode(message: StreamedMessage): Buffer {
    if (message.kind !== 'append') return encode(message);
    const last = this.#last;
    if (last !== undefined && sameAppend(last.message, message)) return last.bytes;
    const bytes = encode(message);
    // An append without entries is cheap, and must not push out one that is not.
    if (message.entries.length > 0) this.#last = { message, bytes };
    return bytes;
  }

  /** Lets go of what was encoded last; for the end of a turn. */
  forget(): void {
    this.#last = undefined;
  }
}

/** Entries are immutable: the same first and the same last one are the same entries. */
function sameAppend(a: Append, b: Append): boolean {
  return (
    a.term === b.term &&
    a.commit === b.commit &&
    a.previous.index === b.previous.index &&
    a.previous.term === b.previous.term &&
    a.entries.length === b.entries.length &&
    a.entries[0] === b.entries[0] &&
    a.entries.at(-1) === b.entries.at(-1)
  );
}

function encode(message: StreamedMessage): Buffer {
  return bufferOf(encoded(VoterMessage, { term: message.term, body: bodyOf(message) }));
}

function bodyOf(message: StreamedMessage): Body {
  switch (message.kind) {
    case 'pre-vote':
      return { $case: 'preVote', value: { last: message.last, transfer: false } };
    case 'pre-vote-answer':
      return { $case: 'preVoteAnswer', value: { granted: message.granted } };
    case 'vote':
      return { $case: 'vote', value: { last: message.last, transfer: message.transfer } };
    case 'vote-answer':
      return { $case: 'voteAnswer', value: { granted: message.granted } };
    case 'append': {
      const { previous, commit, entries } = message;
      return { $case: 'append', value: { previous, commit, entries: entries.map(wireEntry) } };
    }
    case 'append-accepted':
      return { $case: 'appendAccepted', value: { match: message.match } };
    case 'append-rejected':
      return {
        $case: 'appendRejected',
        value: { rejected: message.rejected, hint: message.hint },
      };
    case 'heartbeat':
      return { $case: 'heartbeat', value: { commit: message.commit, round: message.round } };
    case 'heartbeat-answer':
      return { $case: 'heartbeatAnswer', value: { round: message.round } };
    case 'read-request':
      return { $case: 'readRequest', value: { token: message.token } };
    case 'read-answer':
      return { $case: 'readAnswer', value: { token: message.token, index: message.index } };
    case 'timeout-now':
      return { $case: 'timeoutNow', value: {} };
    case 'removed':
      return { $case: 'removed', value: { index: message.index } };
  }
}

/** `undefined` for what is no message, or none that this version knows. */
export function decodeMessage(bytes: Uint8Array): StreamedMessage | undefined {
  let wire: VoterMessage;
  try {
    wire = VoterMessage.decode(bytes);
  } catch {
    return undefined;
  }
  return wire.body === undefined ? undefined : messageOf(wire.term as Term, wire.body);
}

function messageOf(term: Term, body: Body): StreamedMessage | undefined {
  switch (body.$case) {
    case 'preVote':
      return { kind: 'pre-vote', term, last: positionOf(body.value.last) };
    case 'preVoteAnswer':
      return { kind: 'pre-vote-answer', term, granted: body.value.granted };
    case 'vote':
      return voteOf(term, body.value);
    case 'voteAnswer':
      return { kind: 'vote-answer', term, granted: body.value.granted };
    case 'append': {
      const entries = entriesOf(body.value.entries);
      if (entries === undefined) return undefined;
      const previous = positionOf(body.value.previous);
      return { kind: 'append', term, previous, entries, commit: body.value.commit as LogIndex };
    }
    case 'appendAccepted':
      return { kind: 'append-accepted', term, match: body.value.match as LogIndex };
    case 'appendRejected': {
      const rejected = body.value.rejected as LogIndex;
      return { kind: 'append-rejected', term, rejected, hint: positionOf(body.value.hint) };
    }
    case 'heartbeat': {
      const { commit, round } = body.value;
      return { kind: 'heartbeat', term, commit: commit as LogIndex, round };
    }
    case 'heartbeatAnswer':
      return { kind: 'heartbeat-answer', term, round: body.value.round };
    case 'readRequest':
      return { kind: 'read-request', term, token: body.value.token };
    case 'readAnswer': {
      const { token, index } = body.value;
      return { kind: 'read-answer', term, token, index: index as LogIndex };
    }
    case 'timeoutNow':
      return { kind: 'timeout-now', term };
    case 'removed':
      return { kind: 'removed', term, index: body.value.index as LogIndex };
  }
}

function voteOf(term: Term, { last, transfer }: VoteRequest): StreamedMessage {
  return { kind: 'vote', term, last: positionOf(last), transfer };
}

export function positionOf(wire: WirePosition | undefined): LogPosition {
  return { index: (wire?.index ?? 0) as LogIndex, term: (wire?.term ?? 0) as Term };
}

function entriesOf(wire: readonly LogEntry[]): readonly Entry[] | undefined {
  const entries: Entry[] = [];
  for (const { index, term, kind, data } of wire) {
    const known = kindOf(kind);
    if (known === undefined) return undefined;
    entries.push({ index: index as LogIndex, term: term as Term, kind: known, data });
  }
  return entries;
}

function kindOf(kind: EntryKind): Entry['kind'] | undefined {
  if (kind === EntryKind.NORMAL) return 'normal';
  if (kind === EntryKind.EMPTY) return 'empty';
  return kind === EntryKind.MEMBERSHIP ? 'membership' : undefined;
}
