import { type Filters, parseFilters } from '@shoal/docker-api';
import type { Engine } from '@shoal/link/proxy';
import { standIns } from '../networks/engine-networks.ts';
import { shownOfEngine } from '../networks/shown.ts';

/** Every container of a task has it, and nobody else's. */
export const taskLabel = 'com.docker.swarm.task.id';

/** What the engine is asked for a list of containers, and what is left to do with its answer. */
export interface ListQuery {
  readonly url: string;
  /** As many containers as are shown; undefined where the engine's list is the answer. */
  readonly withoutTasks?: number;
}

/**
 * A question for the host's containers as its engine can answer it: the engine knows neither the swarm's networks
 * nor what a task is. What is wrong with a question the engine says best.
 */
export async function listQuery(engine: Engine, url: string): Promise<ListQuery> {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at));
  const asked = filtersIn(query);
  const networks = asked.get('network') ?? [];
  const isTask = asked.get('is-task') ?? [];
  const filters = new Map(asked);
  if (networks.length > 0) filters.set('network', await withStandIns(engine, networks));
  let limit: number | undefined;
  if (isTask.includes('true')) {
    filters.delete('is-task');
    filters.set('label', [...(asked.get('label') ?? []), taskLabel]);
  } else if (isTask.includes('false')) {
    filters.delete('is-task');
    limit = takeLimit(query);
  } else if (networks.length === 0) return { url };
  query.set('filters', JSON.stringify(asFlags(filters)));
  const changed = `${url.slice(0, at)}?${query}`;
  return limit === undefined ? { url: changed } : { url: changed, withoutTasks: limit };
}

function filtersIn(query: URLSearchParams): Filters {
  try {
    return parseFilters(query.get('filters') ?? '');
  } catch {
    return new Map();
  }
}

/** The form of all versions that are spoken today. */
function asFlags(filters: Filters): object {
  return Object.fromEntries(
    [...filters].map(([key, values]) => [key, Object.fromEntries(values.map((v) => [v, true]))]),
  );
}

/** A limit counts what is shown, running or not, so the engine is asked for all. */
function takeLimit(query: URLSearchParams): number {
  const limit = query.get('limit') ?? '';
  if (!/^\d+$/.test(limit) || Number(limit) === 0) return Number.POSITIVE_INFINITY;
  query.delete('limit');
  query.set('all', '1');
  return Number(limit);
}

/** With the ids by which the engine knows the networks of the swarm among them. */
async function withStandIns(engine: Engine, refs: readonly string[]): Promise<readonly string[]> {
  const all = await standIns(engine).catch(() => []);
  const meant = all.filter((standIn) => {
    const { Id, Name } = shownOfEngine(standIn);
    return refs.some((ref) => Id.startsWith(ref) || Name === ref);
  });
  return [...refs, ...meant.map(({ Id }) => Id)];
}
