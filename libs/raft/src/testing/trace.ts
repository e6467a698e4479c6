import { assertNever } from '@shoal/runtime';
import { decodeMembership } from '../core/membership.ts';
import type { LogPosition, Message } from '../core/messages.ts';
import type { Raft } from '../core/state.ts';
import type { Entry, Member, Membership } from '../types.ts';

const text = new TextDecoder();

/** `index/term`, then what it carries. */
export function describeEntry(entry: Entry): string {
  const data = entry.kind === 'normal' ? ` ${text.decode(entry.data)}` : otherEntry(entry);
  return `${position(entry)}${data}`;
}

function otherEntry({ kind, data }: Entry): string {
  return kind === 'membership' ? ` (${describeMembership(decodeMembership(data))})` : ` (${kind})`;
}

/** `voters 1 2 3, learners 4`. */
export function describeMembership({ voters, learners }: Membership): string {
  const ids = (members: readonly Member[]): string => members.map(({ id }) => id).join(' ');
  const also = learners.length === 0 ? '' : `, learners ${ids(learners)}`;
  return `voters ${ids(voters)}${also}`;
}

function position({ index, term }: LogPosition): string {
  return `${index}/${term}`;
}

/** One line for a message, as scenario files show it. */
export function describeMessage(message: Message): string {
  return `${message.kind} term=${message.term}${details(message)}`;
}

function details(message: Message): string {
  switch (message.kind) {
    case 'pre-vote':
      return ` last=${position(message.last)}`;
    case 'vote':
      return ` last=${position(message.last)}${message.transfer ? ' transfer' : ''}`;
    case 'pre-vote-answer':
    case 'vote-answer':
      return message.granted ? ' yes' : ' no';
    case 'append': {
      const entries = message.entries.map(describeEntry).join(', ');
      return ` after=${position(message.previous)} commit=${message.commit} [${entries}]`;
    }
    case 'append-accepted':
      return ` match=${message.match}`;
    case 'append-rejected':
      return ` at=${message.rejected} hint=${position(message.hint)}`;
    case 'heartbeat':
      return ` commit=${message.commit} round=${message.round}`;
    case 'heartbeat-answer':
      return ` round=${message.round}`;
    case 'snapshot':
      return ` ${position(message.snapshot)}`;
    case 'timeout-now':
      return '';
    case 'removed':
      return ` since=${message.index}`;
    case 'read-request':
      return ` token=${message.token}`;
    case 'read-answer':
      return ` token=${message.token} index=${message.index}`;
    default:
      return assertNever(message);
  }
}

export function describeStatus(raft: Raft): string {
  const { id, role, term, leader, commit, applied, log } = raft;
  const fields = `term=${term} leader=${leader} commit=${commit} applied=${applied}`;
  return `${id} ${role.kind} ${fields} log=(${log.base.index},${log.last}]`;
}

/** Who keeps the log as this voter sees it, with addresses. */
export function describeMembers(raft: Raft): string {
  const { index, membership } = raft.memberships.newest;
  const list = (members: readonly Member[]): string =>
    members.map(({ id, addr }) => `${id}@${addr}`).join(' ');
  const learners =
    membership.learners.length === 0 ? '' : `, learners ${list(membership.learners)}`;
  return `${raft.id} since ${index}: ${list(membership.voters)}${learners}`;
}

/** The terms of all entries in memory: what the Raft paper draws as boxes. */
export function describeLog(raft: Raft): string {
  const { base, last, stable } = raft.log;
  const terms = raft.log.slice(base.index, last, Number.POSITIVE_INFINITY).map(({ term }) => term);
  return `${raft.id} after ${position(base)}: ${terms.join(' ')} (durable to ${stable})`;
}
