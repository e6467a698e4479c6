import { ApiError, resolveNetwork } from '@shoal/docker-api';
import type { Engine } from '@shoal/link/proxy';
import type { Network, StateView } from '@shoal/state';
import { managerToWrite, requireManager } from '../cluster/access.ts';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { listNetworks, standsFor } from './engine-networks.ts';

/** Ids of networks that begin alike, as many as are counted. */
const matchesMax = 100;

/** Whose a network is. */
export type Found = { readonly kind: 'swarm'; readonly network: Network } | OfEngine;

/** Whose a network is; for one of the swarm, also the manager that can change it. */
export type FoundToChange =
  | { readonly kind: 'swarm'; readonly network: Network; readonly manager: Manager }
  | OfEngine;

interface OfEngine {
  readonly kind: 'engine';
}

const engines: OfEngine = { kind: 'engine' };

/**
 * Finds by id, else name, else the start of an id, among the networks of the swarm and of this host.
 * Of every scope but that of the swarm the engine knows.
 * @throws ApiError 400 when several match; with `scope` swarm, 404 when none does
 */
export async function findNetwork(
  engine: Engine,
  view: StateView,
  ref: string,
  scope: string,
): Promise<Found> {
  if (scope === 'swarm') return { kind: 'swarm', network: resolveNetwork(view, ref) };
  const { networks } = view;
  const exact = networks.get(ref);
  // An id is in one scope, whichever is asked for.
  if (exact !== undefined) return { kind: 'swarm', network: exact };
  if (scope !== '') return engines;
  const named = networks.byName(ref);
  const sameName = named === undefined || named.spec.Predefined ? [] : [named];
  const alike = networks.byIdPrefix(ref, matchesMax).filter(({ spec }) => !spec.Predefined);
  if (ref === '' || sameName.length + alike.length === 0) return engines;
  const local = await ownNetworks(engine);
  const localNamed = local.filter(({ Name }) => Name === ref).length;
  const [network] = sameName;
  if (sameName.length + localNamed > 1) throw ambiguous(ref, 2, 'name');
  if (network !== undefined) return { kind: 'swarm', network };
  if (localNamed > 0) return engines;
  const matches = alike.length + local.filter(({ Id }) => Id.startsWith(ref)).length;
  if (matches > 1) throw ambiguous(ref, matches, 'ID prefix');
  const [only] = alike;
  return only === undefined ? engines : { kind: 'swarm', network: only };
}

/**
 * Finds, as {@link findNetwork}, a network that is to be changed. The log is asked only about what this host
 * does not have by itself: its own networks can be changed without a quorum. @throws ApiError
 */
export async function findToChange(context: ApiContext, ref: string): Promise<FoundToChange> {
  const { engine, host } = context;
  const inMemory = await findNetwork(engine, requireManager(host).replica.view, ref, '');
  const isOwn =
    inMemory.kind === 'engine' && findShown(await ownNetworks(engine), ref) !== undefined;
  if (isOwn) return engines;
  const manager = await managerToWrite(context);
  const found = await findNetwork(engine, manager.replica.view, ref, '');
  return found.kind === 'engine' ? found : { ...found, manager };
}

/** Networks of the engine that stand for none of the swarm's; empty when it cannot be asked. */
export async function ownNetworks(engine: Engine) {
  const all = await listNetworks(engine, '/networks').catch(() => []);
  return all.filter((network) => standsFor(network) === undefined);
}

function ambiguous(ref: string, matches: number, by: string): ApiError {
  return new ApiError(400, `${matches} matches found based on ${by}: network ${ref} is ambiguous`);
}

/** Finds by id, else name, else start of an id, in a list. @throws ApiError when several match */
export function findShown<T extends { readonly Id: string; readonly Name: string }>(
  shown: readonly T[],
  ref: string,
): T | undefined {
  if (ref === '') return undefined;
  const exact = shown.find(({ Id }) => Id === ref) ?? shown.find(({ Name }) => Name === ref);
  if (exact !== undefined) return exact;
  const alike = shown.filter(({ Id }) => Id.startsWith(ref));
  if (alike.length > 1) throw ambiguous(ref, alike.length, 'ID prefix');
  return alike[0];
}
