import {
  type Change,
  isTerminal,
  localVolumes,
  type Meta,
  placementLabels,
  type Revision,
  type StateView,
  type Task,
  type TaskState,
  type VolumeHome,
  volumeHomeId,
} from '@shoal/state';

/** Homes of a service that is gone which one transaction forgets. */
export const homesPerTransaction = 1_000;

const noMeta: Meta = { version: 0, createdAt: 0, updatedAt: 0 } as Meta;

/** A node and the volumes of the slot that are there. */
type Place = Pick<VolumeHome, 'nodeId' | 'volumes' | 'tentative'>;

/** The home that tasks of the slot go to: a former one if data of the revision is there and not at the last. */
export function homeOf(
  view: StateView,
  { serviceId, slot }: Task,
  revision: Revision,
): VolumeHome | undefined {
  const home = standing(view, view.volumeHomes.of(serviceId, slot));
  if (home === undefined || holdsDataOf(home, revision)) return home;
  const former = home.former?.findLast((one) => holdsDataOf(one, revision));
  return former === undefined ? home : { ...home, ...former };
}

/** Whether any data of the revision is at the home, which may be that of other volumes. */
export function holdsDataOf({ volumes }: Place, revision: Revision): boolean {
  return localVolumes(revision).some((name) => volumes.includes(name));
}

/**
 * The home, or what was the home before it if nothing is known of it but that it turned a task away.
 * Without a sign of either it counts: data may be there, though its task is remembered no more.
 */
function standing(view: StateView, home: VolumeHome | undefined): VolumeHome | undefined {
  return home !== undefined && isVoid(view, home) ? restored(home) : home;
}

/** Former homes are certain: nobody followed what became of their tasks. */
function restored({ former = [], tentative: _, ...rest }: VolumeHome): VolumeHome | undefined {
  const last = former.at(-1);
  if (last === undefined) return undefined;
  const before = former.slice(0, -1);
  return { ...rest, ...last, ...(before.length > 0 && { former: before }) };
}

/** What ends a task that has no container: turned away by its node, or told to stop before it was made. */
const emptyEnds: ReadonlySet<TaskState> = new Set<TaskState>(['rejected', 'shutdown']);

function isVoid(view: StateView, home: VolumeHome): boolean {
  if (home.tentative !== true) return false;
  let endedEmpty = false;
  for (const task of tasksAt(view, home)) {
    if (mayHaveData(task) || !isTerminal(task.status.state)) return false;
    endedEmpty ||= emptyEnds.has(task.status.state);
  }
  return endedEmpty;
}

function tasksAt(view: StateView, { serviceId, slot, nodeId }: VolumeHome): readonly Task[] {
  return [...view.tasks.bySlot(serviceId, slot)].filter((task) => task.nodeId === nodeId);
}

/** The engine makes the volumes with the container; what became of an orphan nobody knows. */
function mayHaveData({ status }: Task): boolean {
  const { container, startedAt, state } = status;
  return container !== undefined || startedAt !== undefined || withData.has(state);
}

const withData: ReadonlySet<TaskState> = new Set([
  ...(['starting', 'running', 'complete', 'failed', 'orphaned'] as const),
]);

/** Whether the change of a task may settle where the home of its slot is. */
export function tells(before: Task | undefined, after: Task | undefined): boolean {
  return traitOf(before) !== traitOf(after);
}

function traitOf(task: Task | undefined): string {
  if (task === undefined) return 'gone';
  if (mayHaveData(task)) return 'data';
  return isTerminal(task.status.state) ? 'ended' : '';
}

export function* tentativeHomes(homes: Iterable<VolumeHome>): Iterable<string> {
  for (const { id, tentative } of homes) if (tentative === true) yield id;
}

/** What makes tentative homes certain, or takes them back; those of which nothing is known stay. */
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
  const { tentative, ...certain } = home;
  if (tentative !== true) return [];
  if (tasksAt(view, home).some(mayHaveData))
    return [{ op: 'update', table: 'volumeHome', object: certain }];
  if (!isVoid(view, home)) return [];
  const before = restored(home);
  if (before !== undefined) return [{ op: 'update', table: 'volumeHome', object: before }];
  return [{ op: 'delete', table: 'volumeHome', id: home.id, version: home.meta.version }];
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
  const known = standing(view, row);
  const { id, meta } = row ?? { id: volumeHomeId(serviceId, slot), meta: noMeta };
  const object = { id, meta, serviceId, slot, ...homeAt(view, revision, known, nodeId) };
  if (row === undefined) return [{ op: 'create', table: 'volumeHome', object }];
  // One that turned a task away is written again in any case: it counts from now on.
  if (row === known && isSame(row, object)) return [];
  return [{ op: 'update', table: 'volumeHome', object }];
}

/** Where the data of the slot is once its task is on the node, and where that of other revisions stays. */
function homeAt(
  view: StateView,
  revision: Revision,
  known: VolumeHome | undefined,
  nodeId: string,
): Place & Pick<VolumeHome, 'former'> {
  const volumes = localVolumes(revision);
  const places: readonly Place[] = known === undefined ? [] : [...(known.former ?? []), known];
  const here = places.find((one) => one.nodeId === nodeId);
  const others = here === undefined ? [] : othersStillNamed(view, revision, here);
  const former = places
    .filter((one) => one !== here)
    .map((one) => ({ nodeId: one.nodeId, volumes: othersStillNamed(view, revision, one) }))
    .filter((one) => one.volumes.length > 0);
  return {
    nodeId,
    volumes: [...volumes, ...others],
    ...((here === undefined || here.tentative === true) && { tentative: true }),
    ...(former.length > 0 && { former }),
  };
}

function isSame(one: VolumeHome, other: VolumeHome): boolean {
  const [was, is] = [one, other].map(({ nodeId, volumes, tentative, former }) =>
    JSON.stringify([nodeId, volumes, tentative, former]),
  );
  return was === is;
}

/** Volumes of the place that only another revision mounts: a rollback finds its data there. */
function othersStillNamed(view: StateView, revision: Revision, place: Place): readonly string[] {
  const volumes = localVolumes(revision);
  const others = place.volumes.filter((name) => !volumes.includes(name));
  if (others.length === 0) return others;
  const named = new Set([...view.revisions.byService(revision.serviceId)].flatMap(localVolumes));
  return others.filter((name) => named.has(name));
}

/**
 * Why a task is not where its data is: in the first half where that is and what is wrong there, in the
 * second what to do. `lack` continues "it …" as filters say it.
 */
export function awayFromHome(view: StateView, home: VolumeHome, lack: string): string {
  const node = view.nodes.get(home.nodeId);
  const where =
    node === undefined
      ? `was on node ${home.nodeId}, which was removed from the swarm`
      : `is on ${node.description?.Hostname || node.id}, which ${lack || 'cannot take it now'}`;
  return `the volume data of slot ${home.slot} ${where}; to let it start elsewhere without the data, set label ${placementLabels.volumeSticky}=false on the service`;
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
