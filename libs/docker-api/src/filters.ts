import { ApiError } from './errors.ts';

/** Values by key; values of one key are alternatives, keys must all match. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the `filters` query value: `{"key":{"value":true}}`, or the old `{"key":["value"]}`.
 * @throws ApiError 400 for anything else, and for keys that are not in `known` (absent: any key will do).
 */
export function parseFilters(text: string | undefined, known?: readonly string[]): Filters {
  const filters = new Map<string, readonly string[]>();
  if (text === undefined || text === '') return filters;
  for (const [key, values] of Object.entries(objectOf(text))) {
    if (known !== undefined && !known.includes(key))
      throw new ApiError(400, `invalid filter '${key}'`);
    filters.set(key, valuesOf(values));
  }
  return filters;
}

function objectOf(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(400, 'invalid filter');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ApiError(400, 'invalid filter');
  return value;
}

function valuesOf(values: unknown): readonly string[] {
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values;
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new ApiError(400, 'invalid filter');
  return Object.entries(values).flatMap(([value, wanted]) => (wanted === true ? [value] : []));
}

/** True when the key is absent or one of its values passes. */
export function passes(filters: Filters, key: string, test: (value: string) => boolean): boolean {
  const values = filters.get(key);
  return values === undefined || values.length === 0 || values.some(test);
}

/** Label filters `k` and `k=v`; all of them must hold. */
export function hasLabels(
  filters: Filters,
  key: string,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return (filters.get(key) ?? []).every((wanted) => {
    const equals = wanted.indexOf('=');
    const name = equals < 0 ? wanted : wanted.slice(0, equals);
    if (labels === undefined || !Object.hasOwn(labels, name)) return false;
    return equals < 0 || labels[name] === wanted.slice(equals + 1);
  });
}

export const filterKeys = {
  services: ['name', 'id', 'label', 'mode', 'runtime'],
  nodes: ['name', 'id', 'label', 'node.label', 'role', 'membership'],
  tasks: ['name', 'id', 'label', 'service', 'node', 'desired-state', 'runtime', '_up-to-date'],
  networks: ['driver', 'type', 'name', 'id', 'label', 'scope', 'dangling'],
  networksPrune: ['label', 'label!', 'until'],
  secrets: ['names', 'name', 'id', 'label'],
  configs: ['name', 'id', 'label'],
} as const;
