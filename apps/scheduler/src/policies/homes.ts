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

/**
 * The home that tasks of the slot go to; none while nothing is known of it but that it turned a task away.
 * Without a sign of either it counts: data may be there, though its task is remembered no more.
 */
export function homeOf(view: StateView, { serviceId, slot }: Task): VolumeHome | undefined {
  const home = view.volumeHomes.of(serviceId, slot);
  return home === undefined || isVoid(view, home) ? undefined : home;
}

/** Whether any data of the revision is at the home, which may be that of other volumes. */
export function holdsDataOf({ volumes }: VolumeHome, revision: Revision): boolean {
  return localVolumes(revision).some((name) => volumes.includes(name));
}

function isVoid(view: StateView, home: VolumeHome): boolean {
  if (home.tentative !== true) return false;
  let wasRejected = false;
  for (const task of tasksAt(view, home)) {
    if (hadContainer(task) || !isTerminal(task.status.state)) return false;
    wasRejected ||= task.status.state === 'rejected';
  }
  return wasRejected;
}

function tasksAt(view: StateView, { serviceId, slot, nodeId }: VolumeHome): readonly Task[] {
  return [...view.tasks.bySlot(serviceId, slot)].filter((task) => task.nodeId === nodeId);
}

/** The engine makes the volumes with the container. */
function hadContainer({ status }: Task): boolean {
  const { container, startedAt, state } = status;
  return container !== undefined || startedAt !== undefined || withContainer.has(state);
}

const withContainer: ReadonlySet<TaskState> = new Set([
  ...(['starting', 'running', 'complete', 'failed'] as const),
]);

/** Whether the change of a task may settle where the home of its slot is. */
export function tells(before: Task | undefined, after: Task | undefined): boolean {
  return traitOf(before) !== traitOf(after);
}

function traitOf(task: Task | undefined): string {
  if (task === undefined) return 'gone';
  if (hadContainer(task)) return 'container';
  return isTerminal(task.status.state) ? 'ended' : '';
}

export function* tentativeHomes(homes: Iterable<VolumeHome>): Iterable<string> {
  for (const { id, tentative } of homes) if (tentative === true) yield id;
}

/** What makes tentative homes certain, or forgets them; those of which nothing is known stay. */
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
  if (tasksAt(view, home).some(hadContainer))
    return [{ op: 'update', table: 'volumeHome', object: certain }];
  if (!isVoid(view, home)) return [];
  return [{ op: 'delete', table: 'volumeHome', id: home.id, version: home.meta.version }];
}

/** What is written besides when the task gets its node: that its data is there from now on. */
export function homeChanges(
  view: StateView,
  revision: Revision,
  task: Task,
  nodeId: string,
): readonly Change[] {
  const volumes = localVolumes(revision);
  if (volumes.length === 0) return [];
  const { serviceId, slot } = task;
  const known = view.volumeHomes.of(serviceId, slot);
  if (known === undefined) {
    const id = volumeHomeId(serviceId, slot);
    const object = { id, meta: noMeta, serviceId, slot, nodeId, volumes, tentative: true };
    return [{ op: 'create', table: 'volumeHome', object }];
  }
  if (known.nodeId !== nodeId || isVoid(view, known)) {
    const object = { ...known, nodeId, volumes, tentative: true };
    return [{ op: 'update', table: 'volumeHome', object }];
  }
  const all = [...volumes, ...othersStillNamed(view, known, volumes)];
  if (known.volumes.join() === all.join()) return [];
  return [{ op: 'update', table: 'volumeHome', object: { ...known, volumes: all } }];
}

/** Volumes of the home that another revision mounts: a rollback finds its data there. */
function othersStillNamed(
  view: StateView,
  home: VolumeHome,
  volumes: readonly string[],
): readonly string[] {
  const others = home.volumes.filter((name) => !volumes.includes(name));
  if (others.length === 0) return others;
  const named = new Set([...view.revisions.byService(home.serviceId)].flatMap(localVolumes));
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
