import {
  type Change,
  localVolumes,
  type Meta,
  placementLabels,
  type Revision,
  type StateView,
  type Task,
  type VolumeHome,
  volumeHomeId,
} from '@shoal/state';

/** Homes of a service that is gone which one transaction forgets. */
export const homesPerTransaction = 1_000;

const noMeta: Meta = { version: 0, createdAt: 0, updatedAt: 0 } as Meta;

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
    const object = { id, meta: noMeta, serviceId, slot, nodeId, volumes };
    return [{ op: 'create', table: 'volumeHome', object }];
  }
  if (known.nodeId === nodeId && known.volumes.join() === volumes.join()) return [];
  return [{ op: 'update', table: 'volumeHome', object: { ...known, nodeId, volumes } }];
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
