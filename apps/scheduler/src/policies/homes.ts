import {
  type Change,
  localVolumes,
  newMeta,
  placementLabels,
  type Revision,
  type StateView,
  type Task,
  type VolumeHome,
  type VolumePlace,
  volumeHomeId,
} from '@shoal/state';
import { hasUnproven, placesOf, standingPlaces } from './volume-places.ts';

/** Homes of a service that is gone which one transaction forgets. */
const homesPerTransaction = 1_000;

/** The place that tasks of the slot go to: the last where data of the revision is, or else the last one. */
export function homeOf(
  view: StateView,
  { serviceId, slot }: Task,
  revision: Revision,
): VolumePlace | undefined {
  const home = view.volumeHomes.of(serviceId, slot);
  if (home === undefined) return undefined;
  const places = standingPlaces(view, home);
  return places.findLast((one) => holdsDataOf(one, revision)) ?? places.at(-1);
}

/** Whether any data of the revision is at the place, which may be that of other volumes. */
export function holdsDataOf({ volumes }: VolumePlace, revision: Revision): boolean {
  return localVolumes(revision).some((name) => volumes.includes(name));
}

export function* unprovenHomes(homes: Iterable<VolumeHome>): Iterable<string> {
  for (const home of homes) if (hasUnproven(home)) yield home.id;
}

/** What makes unproven volumes certain, or forgets them; those of which nothing is known stay. */
export function* settledHomes(
  view: StateView,
  homes: readonly VolumeHome[],
): Iterable<{ readonly serviceId: string; readonly changes: readonly Change[] }> {
  const byService = Map.groupBy(homes, ({ serviceId }) => serviceId);
  for (const [serviceId, ofService] of byService) {
    const changes = ofService.flatMap((home) => settled(view, home));
    for (let from = 0; from < changes.length; from += homesPerTransaction)
      yield { serviceId, changes: changes.slice(from, from + homesPerTransaction) };
  }
}

function settled(view: StateView, home: VolumeHome): readonly Change[] {
  const places = standingPlaces(view, home);
  const object = homeAt(home, places);
  if (object === undefined)
    return [{ op: 'delete', table: 'volumeHome', id: home.id, version: home.meta.version }];
  return isSame(home, object) ? [] : [{ op: 'update', table: 'volumeHome', object }];
}

/** What is written besides when the task gets its node: that its data is there from now on. */
export function homeChanges(
  view: StateView,
  revision: Revision,
  task: Task,
  nodeId: string,
): readonly Change[] {
  if (localVolumes(revision).length === 0) return [];
  const { serviceId, slot } = task;
  const row = view.volumeHomes.of(serviceId, slot);
  const known = row === undefined ? [] : standingPlaces(view, row);
  const key = row ?? { id: volumeHomeId(serviceId, slot), meta: newMeta, serviceId, slot };
  const object = homeAt(key, placesWith(view, revision, known, nodeId));
  if (object === undefined) return [];
  if (row === undefined) return [{ op: 'create', table: 'volumeHome', object }];
  // One that turned a task away is written again in any case: it counts from now on.
  if (isSame(row, object) && arePlaces(known, placesOf(row))) return [];
  return [{ op: 'update', table: 'volumeHome', object }];
}

/** The places of the slot once its task is on the node, which is the last one from then on. */
function placesWith(
  view: StateView,
  revision: Revision,
  known: readonly VolumePlace[],
  nodeId: string,
): readonly VolumePlace[] {
  const named = new Set([...view.revisions.byService(revision.serviceId)].flatMap(localVolumes));
  const volumes = localVolumes(revision);
  const here = known.find((one) => one.nodeId === nodeId);
  const others = known.filter((one) => one !== here);
  // Where some of its data is the task was sent for that: what it finds of the rest is not the slot's.
  const sent = here !== undefined && holdsDataOf(here, revision);
  const elsewhere = new Set(sent ? others.flatMap(certain) : []);
  const held = here?.volumes ?? [];
  const unproven = here?.unproven ?? [];
  const fresh = volumes.filter((name) => !held.includes(name) && !elsewhere.has(name));
  const kept = [...volumes.filter((name) => held.includes(name) || fresh.includes(name)), ...held];
  const place = { nodeId, volumes: [...new Set(kept)], unproven: [...unproven, ...fresh] };
  return [...others, place].map((one) => ({
    nodeId: one.nodeId,
    // A rollback finds its data where it is; what no revision mounts is forgotten.
    volumes: one.volumes.filter((name) => named.has(name) || volumes.includes(name)),
    unproven: one.unproven ?? [],
  }));
}

function certain({ volumes, unproven = [] }: VolumePlace): readonly string[] {
  return volumes.filter((name) => !unproven.includes(name));
}

type HomeKey = Pick<VolumeHome, 'id' | 'meta' | 'serviceId' | 'slot'>;

/** The home with these places, the last one last; undefined when no volume is anywhere. */
function homeAt(
  { id, meta, serviceId, slot }: HomeKey,
  places: readonly VolumePlace[],
): VolumeHome | undefined {
  const former = places.filter(({ volumes }) => volumes.length > 0).map(written);
  const last = former.pop();
  if (last === undefined) return undefined;
  return { id, meta, serviceId, slot, ...last, ...(former.length > 0 && { former }) };
}

function written({ nodeId, volumes, unproven = [] }: VolumePlace): VolumePlace {
  const open = volumes.filter((name) => unproven.includes(name));
  return { nodeId, volumes, ...(open.length > 0 && { unproven: open }) };
}

function isSame(one: VolumeHome, other: VolumeHome): boolean {
  return arePlaces(placesOf(one), placesOf(other));
}

function arePlaces(some: readonly VolumePlace[], others: readonly VolumePlace[]): boolean {
  return JSON.stringify(some.map(written)) === JSON.stringify(others.map(written));
}

/**
 * Why a task is not where its data is: in the first half where that is and what is wrong there, in the
 * second what to do. `lack` continues "it …" as filters say it.
 */
export function awayFromHome(
  view: StateView,
  { slot }: Task,
  home: VolumePlace,
  lack: string,
): string {
  const node = view.nodes.get(home.nodeId);
  const where =
    node === undefined
      ? `was on node ${home.nodeId}, which was removed from the swarm`
      : `is on ${node.description?.Hostname || node.id}, which ${lack || 'cannot take it now'}`;
  return `the volume data of slot ${slot} ${where}; to let it start elsewhere without the data, set label ${placementLabels.volumeSticky}=false on the service`;
}

/** What forgets the homes of a service that is gone, a bounded number at a time. */
export function* forgottenHomes(view: StateView, serviceId: string): Iterable<readonly Change[]> {
  if (view.services.get(serviceId) !== undefined) return;
  const changes = [...view.volumeHomes.byService(serviceId)].map(
    ({ id, meta }): Change => ({ op: 'delete', table: 'volumeHome', id, version: meta.version }),
  );
  for (let from = 0; from < changes.length; from += homesPerTransaction)
    yield changes.slice(from, from + homesPerTransaction);
}

/** Ids of services that are gone and whose homes are still remembered. */
export function servicesToForget(view: StateView): ReadonlySet<string> {
  const gone = new Set<string>();
  for (const { serviceId } of view.volumeHomes.values())
    if (view.services.get(serviceId) === undefined) gone.add(serviceId);
  return gone;
}
