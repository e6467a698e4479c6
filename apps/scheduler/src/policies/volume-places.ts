import {
  isTerminal,
  localVolumes,
  type StateView,
  type Task,
  type TaskState,
  type VolumeHome,
  type VolumePlace,
} from '@shoal/state';

/** The places of the home, the last one last. */
export function placesOf({ nodeId, volumes, unproven, former = [] }: VolumeHome): VolumePlace[] {
  return [...former, { nodeId, volumes, unproven }];
}

export function hasUnproven(home: VolumeHome): boolean {
  return placesOf(home).some(({ unproven = [] }) => unproven.length > 0);
}

/** Whether anything of the home on the node is yet to be proven. */
export function isUnprovenAt(home: VolumeHome, nodeId: string): boolean {
  return placesOf(home).some((one) => one.nodeId === nodeId && (one.unproven ?? []).length > 0);
}

/**
 * The places as what became of their tasks says: a volume that is proven is at no other place any more, and one
 * that only turned tasks away is not there. Without a sign of either it counts: data may be there, though its
 * task is remembered no more.
 */
export function standingPlaces(view: StateView, home: VolumeHome): readonly VolumePlace[] {
  if (!hasUnproven(home)) return placesOf(home);
  const tasks = [...view.tasks.bySlot(home.serviceId, home.slot)];
  const proven = new Set<string>();
  const places: VolumePlace[] = [];
  for (const place of placesOf(home).reverse()) {
    const { nodeId, unproven = [] } = place;
    const here = tasks.filter((task) => task.nodeId === nodeId);
    const found = new Map(unproven.map((name) => [name, finding(view, here, name)]));
    places.unshift({
      nodeId,
      volumes: place.volumes.filter((name) => found.get(name) !== 'none' && !proven.has(name)),
      unproven: unproven.filter((name) => found.get(name) === 'unknown'),
    });
    for (const [name, what] of found) if (what === 'data') proven.add(name);
  }
  return places.filter(({ volumes }) => volumes.length > 0);
}

/** What the tasks of a slot on one node tell of a volume there. */
function finding(
  view: StateView,
  tasks: readonly Task[],
  volume: string,
): 'data' | 'none' | 'unknown' {
  const those = tasks.filter((task) => mayMount(view, task, volume));
  if (those.some(mayHaveData)) return 'data';
  if (!those.every(({ status }) => isTerminal(status.state))) return 'unknown';
  return those.some(({ status }) => emptyEnds.has(status.state)) ? 'none' : 'unknown';
}

function mayMount(view: StateView, { serviceId, revision }: Task, volume: string): boolean {
  const known = view.revisions.of(serviceId, revision);
  return known === undefined || localVolumes(known).includes(volume);
}

/** What ends a task that has no container: turned away by its node, or told to stop before it was made. */
const emptyEnds: ReadonlySet<TaskState> = new Set<TaskState>(['rejected', 'shutdown']);

/** The engine makes the volumes with the container; what became of an orphan nobody knows. */
function mayHaveData({ status }: Task): boolean {
  const { container, startedAt, state } = status;
  return container !== undefined || startedAt !== undefined || withData.has(state);
}

const withData: ReadonlySet<TaskState> = new Set([
  ...(['starting', 'running', 'complete', 'failed', 'orphaned'] as const),
]);

/** Whether the change of a task may settle what is at a place of its slot. */
export function tells(before: Task | undefined, after: Task | undefined): boolean {
  return traitOf(before) !== traitOf(after);
}

function traitOf(task: Task | undefined): string {
  if (task === undefined) return 'gone';
  if (mayHaveData(task)) return 'data';
  return isTerminal(task.status.state) ? 'ended' : '';
}
