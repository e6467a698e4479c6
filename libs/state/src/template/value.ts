/** What templates compute with. A struct's fields are fixed; a map lacks what it lacks. */
export type Value = string | number | boolean | Nil | StructValue | MapValue;

export interface Nil {
  readonly kind: 'nil';
}

export interface StructValue {
  readonly kind: 'struct';
  /** As Go names its type in errors. */
  readonly type: string;
  readonly fields: ReadonlyMap<string, Value>;
}

export interface MapValue {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, string>;
}

export const nil: Nil = { kind: 'nil' };

export function typeName(value: Value): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float64';
    case 'boolean':
      return 'bool';
    default:
      if (value.kind === 'map') return 'map[string]string';
      return value.kind === 'struct' ? value.type : 'nil';
  }
}

/** Whether a condition of it holds: it is not zero or empty. */
export function isTrue(value: Value): boolean {
  if (typeof value !== 'object') return Boolean(value);
  if (value.kind === 'map') return value.entries.size > 0;
  return value.kind === 'struct';
}

/** Keys in the order in which Go walks a map in templates. */
export function sortedEntries({ entries }: MapValue): readonly (readonly [string, string])[] {
  return [...entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** How Go's fmt prints it. */
export function describe(value: Value): string {
  if (typeof value !== 'object') return String(value);
  switch (value.kind) {
    case 'nil':
      return '<nil>';
    case 'map':
      return `map[${sortedEntries(value)
        .map(([key, one]) => `${key}:${one}`)
        .join(' ')}]`;
    case 'struct':
      return `{${[...value.fields.values()].map(describe).join(' ')}}`;
  }
}

/** Go's fmt.Sprint: a space between two neighbours that are both no strings. */
export function print(values: readonly Value[]): string {
  return values
    .map((value, at) => {
      const before = values[at - 1];
      const apart = at > 0 && typeof before !== 'string' && typeof value !== 'string';
      return (apart ? ' ' : '') + describe(value);
    })
    .join('');
}
