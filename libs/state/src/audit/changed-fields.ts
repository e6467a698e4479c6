import type { Sealed } from '../objects.ts';

/** Fields that one change lists; a spec that is new altogether has more. */
export const fieldsMax = 32;
/** Of a field's path, characters; a label's key may be long. */
const pathCharsMax = 256;

/** A field that differs. Its values are there only where they cannot be secret. */
export interface ChangedField {
  /** Names joined by dots, in Docker's words: `TaskTemplate.ContainerSpec.Image`. */
  readonly path: string;
  readonly from?: string | number | boolean | undefined;
  readonly to?: string | number | boolean | undefined;
}

/** Texts that say what was done, and hold no secret. Environments, arguments and labels may. */
const toldTexts = new Set(['Availability', 'Role', 'role', 'TaskTemplate.ContainerSpec.Image']);

/** Where two values differ, in the order of the new one's fields; lists are compared as a whole. */
export function changedFields(before: unknown, after: unknown): readonly ChangedField[] {
  const fields: ChangedField[] = [];
  compare('', before, after, fields);
  return fields;
}

function compare(path: string, before: unknown, after: unknown, into: ChangedField[]): void {
  if (before === after || (isSealed(before) && isSealed(after) && before.sealed === after.sealed))
    return;
  if (isPlain(before) && isPlain(after)) {
    for (const name of new Set([...Object.keys(after), ...Object.keys(before)]))
      compare(path === '' ? name : `${path}.${name}`, before[name], after[name], into);
    return;
  }
  if (Array.isArray(before) && Array.isArray(after) && isSameList(before, after)) return;
  into.push({
    path: path.slice(0, pathCharsMax),
    ...told(path, 'from', before),
    ...told(path, 'to', after),
  });
}

function isSameList(before: readonly unknown[], after: readonly unknown[]): boolean {
  return (
    before.length === after.length &&
    before.every((value, at) => {
      const differing: ChangedField[] = [];
      compare('', value, after[at], differing);
      return differing.length === 0;
    })
  );
}

function told(path: string, key: 'from' | 'to', value: unknown): Partial<ChangedField> {
  if (typeof value === 'number' || typeof value === 'boolean') return { [key]: value };
  return typeof value === 'string' && toldTexts.has(path) ? { [key]: value } : {};
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isSealed(value);
}

/** One value: that it is another one says enough. A map in which people named something so has more, or is one. */
function isSealed(value: unknown): value is Sealed {
  if (typeof value !== 'object' || value === null || !('sealed' in value)) return false;
  return typeof value.sealed === 'string' && Object.keys(value).length === 1;
}
