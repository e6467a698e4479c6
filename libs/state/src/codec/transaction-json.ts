import { errorMessage } from '@shoal/runtime';
import type { Transaction } from '../transaction.ts';
import { condensed, expanded } from './alike.ts';
import { changesMax, idCharsMax, nestingMax, transactionBytesMax } from './format.ts';
import {
  type Fault,
  isCount,
  isFields,
  isId,
  isOneOf,
  isTableName,
  isText,
  isTooDeep,
  objectFault,
} from './structure.ts';

export type DecodedTransaction =
  | { readonly kind: 'ok'; readonly transaction: Transaction }
  | { readonly kind: 'malformed'; readonly message: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** UTF-8 JSON. Absent and undefined members are the same; what changes have in common is said once. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const changes = condensed(transaction.changes);
  return encoder.encode(JSON.stringify({ ...transaction, changes }));
}

/**
 * Reads what {@link encodeTransaction} made, from a source that need not be trusted. What it lets
 * through can be applied without throwing; whether it may be committed is for the state to judge.
 */
export function decodeTransaction(bytes: Uint8Array): DecodedTransaction {
  return decode(bytes, isTooDeep);
}

/** Decodes what the log has taken: how deep it nests was checked then, once for all replicas. */
export function decodeLogged(bytes: Uint8Array): DecodedTransaction {
  return decode(bytes, () => false);
}

function decode(bytes: Uint8Array, isTooDeep: (value: unknown) => boolean): DecodedTransaction {
  if (bytes.length > transactionBytesMax)
    return malformed(`a transaction has at most ${transactionBytesMax} bytes, not ${bytes.length}`);
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    return malformed(`a transaction is UTF-8 JSON: ${errorMessage(error)}`);
  }
  // Each level of nesting takes two bytes, so short transactions need no look.
  if (bytes.length > 2 * nestingMax && isTooDeep(value))
    return malformed(`a transaction is nested at most ${nestingMax} deep`);
  const transaction = takenApart(value);
  const fault = transactionFault(transaction);
  return fault === undefined
    ? { kind: 'ok', transaction: transaction as Transaction }
    : malformed(fault);
}

/** With each change by itself; what is malformed, or has too many, is left for the check to find. */
function takenApart(value: unknown): unknown {
  if (!isFields(value) || !Array.isArray(value['changes'])) return value;
  const changes = expanded(value['changes'], changesMax);
  return changes === undefined ? { ...value, changes } : Object.assign(value, { changes });
}

function malformed(message: string): DecodedTransaction {
  return { kind: 'malformed', message };
}

function transactionFault(value: unknown): Fault {
  if (!isFields(value)) return 'a transaction is a JSON object';
  const { id, actor, reason, decidedAt, lease, changes } = value;
  if (!isId(id)) return `a transaction has an id of 1 to ${idCharsMax} characters`;
  if (!isFields(actor) || !isOneOf(actor['kind'], 'user', 'stage', 'agent', 'system'))
    return 'actor.kind is user, stage, agent or system';
  const { name, node = '', client = '' } = actor;
  if (!isText(name) || !isText(node) || !isText(client))
    return 'actor.name, actor.node and actor.client are texts';
  if (!isText(reason)) return 'reason is a text';
  if (!isCount(decidedAt)) return 'decidedAt is a log index';
  if (lease !== undefined && !(isFields(lease) && isId(lease['id']) && isCount(lease['epoch'])))
    return 'lease has an id and an epoch';
  if (!Array.isArray(changes) || changes.length > changesMax)
    return `changes is a list of at most ${changesMax}`;
  return changesFault(changes);
}

function changesFault(changes: readonly unknown[]): Fault {
  for (let at = 0; at < changes.length; at += 1) {
    const fault = changeFault(changes[at]);
    if (fault !== undefined) return `change ${at}: ${fault}`;
  }
  return undefined;
}

function changeFault(change: unknown): Fault {
  if (!isFields(change)) return 'not a JSON object';
  const { op, table, object } = change;
  if (!isTableName(table)) return 'no such table';
  switch (op) {
    case 'create':
      return objectFault(table, object);
    case 'update':
      return objectFault(table, object) ?? versionFault(object);
    case 'delete':
      return isId(change['id']) && isCount(change['version'])
        ? undefined
        : 'a delete has an id and a version';
    default:
      return 'op is create, update or delete';
  }
}

function versionFault(object: unknown): Fault {
  const meta = isFields(object) ? object['meta'] : undefined;
  return isFields(meta) && isCount(meta['version'])
    ? undefined
    : 'an update names the version it read in meta.version';
}
