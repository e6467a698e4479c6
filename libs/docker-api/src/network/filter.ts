import { ApiError } from '../errors.ts';
import { type Filters, hasLabels, passes } from '../filters.ts';
import { isPredefinedName } from './names.ts';

/** What filters look at in a network, the host's or the swarm's. */
export interface FilteredNetwork {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  /** Something uses it. */
  readonly inUse: boolean;
}

/**
 * Which networks a list shows. Names and ids match anywhere; `^` and `$` tie them to an end.
 * @throws ApiError when a value is none that the key can have
 */
export function networkFilter(filters: Filters): (network: FilteredNetwork) => boolean {
  const dangling = danglingOf(filters);
  for (const type of filters.get('type') ?? [])
    if (type !== 'builtin' && type !== 'custom')
      throw new ApiError(500, `invalid filter: 'type'='${type}'`);
  return (network) =>
    passes(filters, 'driver', (driver) => network.Driver === driver) &&
    passes(filters, 'name', (name) => matches(name, network.Name)) &&
    passes(filters, 'id', (id) => matches(id, network.Id)) &&
    passes(filters, 'scope', (scope) => network.Scope === scope) &&
    passes(filters, 'type', (type) => (type === 'builtin') === isPredefinedName(network.Name)) &&
    hasLabels(filters, 'label', network.Labels ?? undefined) &&
    (dangling === undefined || dangling === isDangling(network));
}

function danglingOf(filters: Filters): boolean | undefined {
  const values = filters.get('dangling') ?? [];
  if (values.length > 1)
    throw new ApiError(400, 'got more than one value for filter key "dangling"');
  switch (values[0]) {
    case undefined:
      return undefined;
    case '1':
    case 'true':
      return true;
    case '0':
    case 'false':
      return false;
    default:
      throw new ApiError(
        400,
        `invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`,
      );
  }
}

function isDangling({ Name, inUse }: FilteredNetwork): boolean {
  return !inUse && !isPredefinedName(Name);
}

/** The part of Docker's patterns that people use; a whole one from outside could hold the process up. */
function matches(pattern: string, text: string): boolean {
  const isStart = pattern.startsWith('^');
  const isEnd = pattern.endsWith('$');
  const literal = pattern.slice(isStart ? 1 : 0, isEnd ? -1 : undefined);
  if (isStart && isEnd) return text === literal;
  if (isStart) return text.startsWith(literal);
  return isEnd ? text.endsWith(literal) : text.includes(literal);
}
