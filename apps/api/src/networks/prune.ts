import {
  ApiError,
  type Filters,
  hasLabels,
  isPredefinedName,
  isTimeBefore,
  type NanoTime,
  nanoTime,
  parseTime,
} from '@shoal/docker-api';
import { type Instant, later } from '@shoal/runtime';
import { parseDuration } from '@shoal/state';
import { requireManager } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import type { Caller } from '../http/caller.ts';
import { ownNetworks } from './find.ts';
import { tryRemoval } from './removal.ts';
import { isInUse } from './shown.ts';

/** What prune looks at in a network. */
interface Pruned {
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly created: NanoTime;
}

/**
 * Removes the engine's own networks that no container is in, but not what stands for the swarm's: its own prune
 * would take those too. Gives their names. @throws ApiError
 */
export async function pruneEngine(
  { engine, clock }: ApiContext,
  filters: Filters,
): Promise<readonly string[]> {
  const isAsked = pruneFilter(filters, clock.now());
  const removed: string[] = [];
  for (const { Id, Name, Scope, ConfigOnly, Created, Labels } of await ownNetworks(engine)) {
    const created = parseTime(Created ?? '') ?? nanoTime(clock.now());
    if (Scope === 'swarm' || ConfigOnly === true || isPredefinedName(Name)) continue;
    if (!isAsked({ labels: Labels ?? undefined, created })) continue;
    // It refuses while containers are in the network.
    const status = await engine.delete(`/networks/${Id}`);
    if (status < 300) removed.push(Name);
  }
  return removed;
}

/** Removes the swarm's networks that nothing uses, none without a quorum; gives their names. @throws ApiError */
export async function pruneSwarm(
  context: ApiContext,
  filters: Filters,
  caller: Caller,
): Promise<readonly string[]> {
  const manager = requireManager(context.host);
  const { view } = manager.replica;
  // The host's own have gone by then, and the answer must say which.
  if ((await manager.replica.catchUp()).kind === 'failed') return [];
  const isAsked = pruneFilter(filters, context.clock.now());
  const unused = [...view.networks.values()].filter((network) => {
    const { spec, meta } = network;
    if (spec.Predefined || isInUse(view, network)) return false;
    return isAsked({ labels: spec.Labels, created: nanoTime(meta.createdAt) });
  });
  const removed: string[] = [];
  for (const { id, spec } of unused) {
    try {
      const attempt = await tryRemoval(context, manager, id, caller);
      if (attempt.kind === 'gone') removed.push(spec.Name);
    } catch (error) {
      // Somebody began to use it, or removed it, in this moment.
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
    }
  }
  return removed;
}

function pruneFilter(filters: Filters, now: Instant): (network: Pruned) => boolean {
  const before = untilOf(filters, now);
  const kept = (filters.get('label!') ?? []).map((label) => new Map([['label', [label]]]));
  return ({ labels, created }) =>
    hasLabels(filters, 'label', labels) &&
    !kept.some((label) => hasLabels(label, 'label', labels)) &&
    (before === undefined || isTimeBefore(created, before));
}

/** A time, or a duration before now. @throws ApiError 400 */
function untilOf(filters: Filters, now: Instant): NanoTime | undefined {
  const [text, another] = filters.get('until') ?? [];
  if (another !== undefined) throw new ApiError(400, 'more than one until filter specified');
  if (text === undefined) return undefined;
  const before = momentOf(text, now);
  // Nothing is not a time of which all networks are older.
  if (before === undefined)
    throw new ApiError(500, `failed to parse value as time or duration: ${JSON.stringify(text)}`);
  return before;
}

/** A duration before now, unix seconds, or a date with as much of the time of day as there is; in UTC where no zone is named. */
function momentOf(text: string, now: Instant): NanoTime | undefined {
  const duration = parseDuration(text);
  if (duration.kind === 'duration') return nanoTime(later(now, -duration.ms));
  const parts = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(
    text,
  );
  const [, day, time = '00:00', seconds = ':00', zone = 'Z'] = parts ?? [];
  try {
    return parseTime(day === undefined ? text : `${day}T${time}${seconds}${zone}`);
  } catch {
    return undefined;
  }
}
