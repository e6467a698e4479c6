import type { Instant, LogIndex } from '@shoal/runtime';
import { autoscaleOf } from '../labels/autoscale.ts';
import type { Service, StateObject, TableName, Tables } from '../objects.ts';
import { scaledReplicas } from '../replicas.ts';
import type { ServiceSpec } from '../spec.ts';
import type { Actor, AppliedChange, AppliedEntry, Transaction } from '../transaction.ts';
import type { StateView } from '../view.ts';
import { type ChangedField, changedFields, fieldsMax } from './changed-fields.ts';

/** Changes that one record lists. */
const changesListedMax = 256;

/** What a transaction did to one thing that people ask for. */
export interface AuditedChange {
  readonly op: 'create' | 'update' | 'delete';
  readonly table: AuditedTable;
  readonly id: string;
  /** What people call it; empty when it has no name yet. */
  readonly name: string;
  /** Of an update. */
  readonly fields?: readonly ChangedField[] | undefined;
}

/**
 * One committed transaction that changed what people ask for, whoever wrote it. It is the same on every
 * manager, and holds nothing that may be secret: no environment, no argument, no label's value, no key.
 */
export interface AuditRecord {
  readonly index: LogIndex;
  readonly time: Instant;
  readonly actor: Actor;
  readonly reason: string;
  readonly changes: readonly AuditedChange[];
  /** Changes and fields beyond those listed. */
  readonly leftOut?: number | undefined;
  /** Records of the same entry that follow this one. */
  readonly more?: number | undefined;
}

/** How a table of the audit shows an object. */
interface Audited<T extends StateObject> {
  readonly name: (object: T) => string;
  /** What people ask for of it; the rest is what was observed or decided. */
  readonly asked: (object: T, view: StateView) => unknown;
}

const audited = {
  cluster: {
    name: () => 'swarm',
    asked: ({ spec, joinTokens, unlockKey, rootCa }) => ({
      ...spec,
      joinTokens,
      unlockKey,
      rootCa,
    }),
  },
  node: {
    name: ({ description }) => description?.Hostname ?? '',
    asked: ({ spec, role }) => ({ ...spec, role }),
  },
  service: {
    name: ({ name }) => name,
    asked: (service, view) => {
      const { id, revision } = service;
      const spec = view.revisions.of(id, revision)?.spec;
      return { revision, ...(spec && byLoad(service, spec)), ...spec };
    },
  },
  network: { name: ({ spec }) => spec.Name, asked: ({ spec }) => spec },
  secret: { name: ({ spec }) => spec.Name, asked: ({ spec }) => spec },
  config: { name: ({ spec }) => spec.Name, asked: ({ spec }) => spec },
} as const satisfies { readonly [T in TableName]?: Audited<Tables[T]> };

/** How many tasks its load asks for, beside what somebody does. */
function byLoad(service: Service, spec: ServiceSpec): object {
  return autoscaleOf(spec) === undefined ? {} : { ReplicasByLoad: scaledReplicas(service, spec) };
}

export type AuditedTable = keyof typeof audited;

/** What the audit notes of an applied entry, whose transactions these are; `view` is the state after it. */
export function auditRecords(
  view: StateView,
  { index, time, outcomes, changes }: AppliedEntry,
  transactions: readonly Transaction[],
): readonly AuditRecord[] {
  const records: AuditRecord[] = [];
  let at = 0;
  for (const [place, { actor, reason, changes: asked }] of transactions.entries()) {
    if (outcomes[place]?.kind !== 'committed') continue;
    // Each change of a committed transaction has written once.
    const own = changes.slice(at, at + asked.length);
    at += asked.length;
    const noted = own.flatMap((change) => noteOf(view, change) ?? []);
    if (noted.length > 0) records.push({ index, time, actor, reason, ...bounded(noted) });
  }
  return records.map((record, place) => {
    const more = records.length - 1 - place;
    return more === 0 ? record : { ...record, more };
  });
}

function noteOf(view: StateView, change: AppliedChange): AuditedChange | undefined {
  if (!isAudited(change.table)) return undefined;
  const { name, asked } = audited[change.table] as Audited<StateObject>;
  const { id, table, before, after } = change;
  const object = after ?? before;
  if (object === undefined) return undefined;
  const note = { table, id, name: name(object) };
  if (before === undefined) return { op: 'create', ...note };
  if (after === undefined) return { op: 'delete', ...note };
  const fields = changedFields(asked(before, view), asked(after, view));
  return fields.length === 0 ? undefined : { op: 'update', ...note, fields };
}

function isAudited(table: TableName): table is AuditedTable {
  return Object.hasOwn(audited, table);
}

/** Bounds what one transaction may write: a record is read by people. */
function bounded(noted: readonly AuditedChange[]): Pick<AuditRecord, 'changes' | 'leftOut'> {
  let leftOut = Math.max(0, noted.length - changesListedMax);
  const changes = noted.slice(0, changesListedMax).map((change) => {
    const { fields } = change;
    if (fields === undefined || fields.length <= fieldsMax) return change;
    leftOut += fields.length - fieldsMax;
    return { ...change, fields: fields.slice(0, fieldsMax) };
  });
  return leftOut === 0 ? { changes } : { changes, leftOut };
}
