import type { TableName } from '../objects.ts';
import type { Change, Create, Update } from '../transaction.ts';
import { type Fields, isFields } from './structure.ts';

/*
 * A crowd of tasks is written in changes that are nearly the same: all members of the objects but a few are
 * equal. In a run of such changes what they have in common is said once. Every replica reads every change: a
 * crowd costs each of them less than half, and its entries are a fifth as long.
 */

/** Fewer changes in a row are not worth the look. */
const runMin = 4;

type Write = Create<TableName> | Update<TableName>;

/** Several changes in one; `each` has all members, those that the objects have of their own as null. */
interface Run {
  readonly op: Write['op'];
  readonly table: TableName;
  readonly each: Fields;
  readonly objects: readonly Fields[];
}

/** The changes as they are written; {@link expanded} makes them of it again. */
export function condensed(changes: readonly Change[]): readonly (Change | Run)[] {
  if (changes.length < runMin) return changes;
  const written: (Change | Run)[] = [];
  for (let from = 0; from < changes.length; ) {
    const to = runEnd(changes, from);
    const run = to - from < runMin ? undefined : runOf(changes.slice(from, to) as Write[]);
    if (run !== undefined) written.push(run);
    else for (const change of changes.slice(from, to)) written.push(change);
    from = to;
  }
  return written;
}

/** Where the run that begins at `from` ends. */
function runEnd(changes: readonly Change[], from: number): number {
  const first = changes[from];
  if (first === undefined || first.op === 'delete') return from + 1;
  const members = definedMembers(first.object);
  let to = from + 1;
  for (let next = changes[to]; next !== undefined; next = changes[to]) {
    if (next.op !== first.op || next.table !== first.table) break;
    if (!isSame(definedMembers(next.object), members)) break;
    to += 1;
  }
  return to;
}

/** Undefined where the objects have nothing in common. */
function runOf(changes: readonly Write[]): Run | undefined {
  const objects = changes.map(({ object }) => object as object as Fields);
  const [first] = changes;
  const [sample] = objects;
  if (first === undefined || sample === undefined) return undefined;
  const members = definedMembers(sample);
  const own = members.filter((member) =>
    objects.some((object) => !isSame(object[member], sample[member])),
  );
  if (own.length === members.length) return undefined;
  const each: Record<string, unknown> = { ...sample };
  for (const member of own) each[member] = null;
  return { op: first.op, table: first.table, each, objects: objects.map((it) => only(own, it)) };
}

function only(members: readonly string[], object: Fields): Fields {
  // An assignment would take a member called __proto__ for something else.
  return Object.fromEntries(members.map((member) => [member, object[member]]));
}

/** In their order, which what is read has, too. Undefined is as good as absent. */
function definedMembers(object: object): readonly string[] {
  return Object.keys(object).filter((member) => (object as Fields)[member] !== undefined);
}

/** Whether both are the same as JSON. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const members = Object.keys(a);
  return (
    members.length === Object.keys(b).length &&
    members.every(
      (member) => Object.hasOwn(b, member) && isSame((a as Fields)[member], (b as Fields)[member]),
    )
  );
}

/**
 * The list with each run taken apart. What is not a run is left as it is, for others to judge.
 * Undefined when there were more than `max` changes: a few bytes can stand for many.
 */
export function expanded(written: readonly unknown[], max: number): readonly unknown[] | undefined {
  const changes: unknown[] = [];
  for (const one of written)
    if (!isRun(one)) changes.push(one);
    else if (changes.length + one.objects.length > max) return undefined;
    else
      for (const own of one.objects)
        changes.push({ op: one.op, table: one.table, object: { ...one.each, ...own } });
  return changes.length > max ? undefined : changes;
}

function isRun(value: unknown): value is Run {
  return (
    isFields(value) &&
    isFields(value['each']) &&
    Array.isArray(value['objects']) &&
    value['objects'].every(isFields)
  );
}
