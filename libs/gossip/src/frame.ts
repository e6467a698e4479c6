import {
  type GossipAnswer as WireAnswer,
  type GossipTableDigest as WireDigest,
  type GossipTableExchange as WireExchange,
  GossipFrame as WireFrame,
  type GossipList as WireList,
  type GossipTableOwners as WireOwners,
  type GossipQuestion as WireQuestion,
} from '@shoal/proto';
import { membersMax } from './limits.ts';
import type { Member } from './member.ts';
import type {
  Answer,
  Frame,
  Question,
  TableDigest,
  TableExchange,
  TableOwners,
} from './transport.ts';
import {
  allOf,
  decoded,
  isId,
  rumourFromWire,
  rumourToWire,
  tableFromWire,
  tableToWire,
} from './wire.ts';

const digestBytes = 8;

export function encodeFrame(frame: Frame): Uint8Array {
  return WireFrame.encode(frameToWire(frame)).finish();
}

/** Undefined for anything that {@link encodeFrame} would not make. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const wire = decoded(bytes, WireFrame.decode);
  if (wire?.body === undefined) return undefined;
  const { sequence, body } = wire;
  switch (body.$case) {
    case 'hello': {
      const self = memberFromWire(body.value);
      return self && { kind: 'hello', self };
    }
    case 'question': {
      const question = questionFromWire(body.value);
      return question && { kind: 'question', sequence, question };
    }
    case 'answer': {
      const answer = answerFromWire(body.value);
      return answer && { kind: 'answer', sequence, answer };
    }
  }
}

function frameToWire(frame: Frame): WireFrame {
  switch (frame.kind) {
    case 'hello': {
      const value = rumourToWire({ ...frame.self, from: '' });
      return { sequence: 0, body: { $case: 'hello', value } };
    }
    case 'question': {
      const body = { $case: 'question' as const, value: questionToWire(frame.question) };
      return { sequence: frame.sequence, body };
    }
    case 'answer': {
      const body = { $case: 'answer' as const, value: answerToWire(frame.answer) };
      return { sequence: frame.sequence, body };
    }
  }
}

function questionToWire(question: Question): WireQuestion {
  switch (question.kind) {
    case 'reach':
      return {
        body: {
          $case: 'reach',
          value: { target: question.target, digest: Buffer.from(question.digest, 'hex') },
        },
      };
    case 'members':
      return { body: { $case: 'members', value: listToWire(question.list) } };
    case 'digests':
      return {
        body: { $case: 'digests', value: { tables: question.tables.map(digestToWire) } },
      };
    case 'records': {
      const tables = question.tables.map(({ owners, ...news }) => ({
        table: tableToWire(news),
        owners: [...owners],
      }));
      return { body: { $case: 'records', value: { tables } } };
    }
    case 'push':
      return { body: { $case: 'push', value: tableToWire(question.news) } };
  }
}

function questionFromWire({ body }: WireQuestion): Question | undefined {
  switch (body?.$case) {
    case undefined:
      return undefined;
    case 'reach': {
      const { target, digest } = body.value;
      if (!isId(target) || digest.length > digestBytes) return undefined;
      return { kind: 'reach', target, digest: digest.toString('hex') };
    }
    case 'members': {
      const list = listFromWire(body.value);
      return list && { kind: 'members', list };
    }
    case 'digests': {
      const tables = allOf(body.value.tables, digestFromWire);
      return tables && { kind: 'digests', tables };
    }
    case 'records': {
      const tables = allOf(body.value.tables, exchangeFromWire);
      return tables && { kind: 'records', tables };
    }
    case 'push': {
      const news = tableFromWire(body.value);
      return news && { kind: 'push', news };
    }
  }
}

function answerToWire(answer: Answer): WireAnswer {
  switch (answer.kind) {
    case 'reached':
      return { body: { $case: 'reached', value: answer.same } };
    case 'members':
      return { body: { $case: 'members', value: listToWire(answer.list) } };
    case 'owners':
      return { body: { $case: 'owners', value: { tables: answer.tables.map(ownersToWire) } } };
    case 'records':
      return { body: { $case: 'records', value: { tables: answer.tables.map(tableToWire) } } };
    case 'pushed':
      return { body: { $case: 'pushed', value: true } };
  }
}

function answerFromWire({ body }: WireAnswer): Answer | undefined {
  switch (body?.$case) {
    case undefined:
      return undefined;
    case 'reached':
      return { kind: 'reached', same: body.value };
    case 'members': {
      const list = listFromWire(body.value);
      return list && { kind: 'members', list };
    }
    case 'owners': {
      const tables = allOf(body.value.tables, ownersFromWire);
      return tables && { kind: 'owners', tables };
    }
    case 'records': {
      const tables = allOf(body.value.tables, tableFromWire);
      return tables && { kind: 'records', tables };
    }
    case 'pushed':
      return { kind: 'pushed' };
  }
}

function memberFromWire(wire: WireList['members'][number]): Member | undefined {
  const rumour = rumourFromWire(wire);
  if (rumour === undefined) return undefined;
  const { from: _from, ...member } = rumour;
  return member;
}

function listToWire(list: readonly Member[]): WireList {
  return { members: list.map((member) => rumourToWire({ ...member, from: '' })) };
}

function listFromWire({ members }: WireList): readonly Member[] | undefined {
  return members.length > membersMax ? undefined : allOf(members, memberFromWire);
}

function digestToWire({ network, digest }: TableDigest): WireDigest {
  return { network, digest: Buffer.from(digest, 'hex') };
}

function digestFromWire({ network, digest }: WireDigest): TableDigest | undefined {
  if (digest.length !== digestBytes || (network !== '' && !isId(network))) return undefined;
  return { network, digest: digest.toString('hex') };
}

function ownersToWire({ network, owners, absent }: TableOwners): WireOwners {
  return {
    network,
    absent,
    owners: [...owners].map(([owner, digest]) => ({ owner, digest: Buffer.from(digest, 'hex') })),
  };
}

function ownersFromWire({ network, owners, absent }: WireOwners): TableOwners | undefined {
  const digests = allOf(owners, ({ owner, digest }) =>
    isId(owner) && digest.length === digestBytes
      ? ([owner, digest.toString('hex')] as const)
      : undefined,
  );
  if (digests === undefined || (network !== '' && !isId(network))) return undefined;
  return { network, absent, owners: new Map(digests) };
}

function exchangeFromWire({ table, owners }: WireExchange): TableExchange | undefined {
  const news = table && tableFromWire(table);
  if (news === undefined || !owners.every(isId)) return undefined;
  return { ...news, owners };
}
