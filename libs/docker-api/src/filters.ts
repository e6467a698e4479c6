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
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new ApiError(400, 'invalid filter');
  return value;
}

/** In the form with flags the flag says nothing: what is named is wanted. */
function valuesOf(values: unknown): readonly string[] {
  if (values === null) return [];
  if (Array.isArray(values) && values.every((value) => value === null || typeof value === 'string'))
    return values.map((value) => value ?? '');
  const isMap = typeof values === 'object' && !Array.isArray(values);
  if (!isMap || !Object.values(values).every((value) => typeof value === 'boolean'))
    throw new ApiError(400, 'invalid filter');
  return Object.keys(values);
}

/** True when the key is absent or one of its values passes. */
export function passes(filters: Filters, key: string, test: (value: string) => boolean): boolean {
  const values = filters.get(key);
  return values === undefined || values.length === 0 || values.some(test);
}

/** Label filters of networks and events, `k` and `k=v`; all of them must hold. */
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

/** Label filters as the cluster store has them: `k=` means `k`, and the last of two values holds. */
export function hasStoredLabels(
  filters: Filters,
  key: string,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const wanted = new Map<string, string>();
  for (const text of filters.get(key) ?? []) {
    const [name = '', ...value] = text.split('=');
    wanted.set(name, value.join('='));
  }
  return [...wanted].every(([name, value]) => {
    if (labels === undefined || !Object.hasOwn(labels, name)) return false;
    return value === '' || labels[name] === value;
  });
}

/**
 * The values of a key that can have only some, written in any case; undefined when none is asked for.
 * @throws ApiError 500 for others, as Docker does
 */
export function valuesAmong(
  filters: Filters,
  key: string,
  known: readonly string[],
): ReadonlySet<string> | undefined {
  const found = new Set<string>();
  for (const value of filters.get(key) ?? []) {
    if (value === '') continue;
    const lower = value.toLowerCase();
    if (!known.includes(lower)) throw new ApiError(500, `Invalid ${key} filter: '${value}'`);
    found.add(lower);
  }
  return found.size === 0 ? undefined : found;
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
