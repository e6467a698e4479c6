import { flagOf, placementLabels } from './labels/placement.ts';
import type { Revision } from './objects.ts';
import { policyLabel } from './policy.ts';
import type { Mount } from './spec.ts';
import type { StateView } from './view.ts';

const nothing: readonly string[] = [];
/** What the local driver mounts that is the same from every node, or holds nothing. */
const kindsWithoutHome: ReadonlySet<unknown> = new Set([
  ...['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'ceph', 'glusterfs', 'tmpfs'],
]);
const named = new WeakMap<Revision, readonly string[]>();

/** Names of the volumes with data on one node that tasks of the revision mount: local and not anonymous. */
export function localVolumes(revision: Revision): readonly string[] {
  if ((revision.spec.TaskTemplate.ContainerSpec.Mounts ?? []).length === 0) return nothing;
  let volumes = named.get(revision);
  if (volumes === undefined) {
    volumes = volumesOf(revision);
    named.set(revision, volumes);
  }
  return volumes;
}

function volumesOf({ spec }: Revision): readonly string[] {
  const mounts = spec.TaskTemplate.ContainerSpec.Mounts ?? [];
  if (mounts.length === 0 || spec.Mode.Replicated === undefined) return nothing;
  return mounts.flatMap((mount) =>
    mount.Source !== undefined && isLocalVolume(mount) ? [mount.Source] : [],
  );
}

/** True for a named volume with data on the node alone; anonymous ones end with their task. */
export function isLocalVolume({ Type, Source = '', VolumeOptions }: Mount): boolean {
  if (Type !== 'volume' || Source === '') return false;
  const config = VolumeOptions?.['DriverConfig'];
  if (typeof config !== 'object' || config === null) return true;
  const { Name: name = '', Options: settings } = config as {
    readonly Name?: unknown;
    readonly Options?: unknown;
  };
  if (name !== '' && name !== 'local') return false;
  const type = (settings as { readonly type?: unknown } | null | undefined)?.type;
  return !kindsWithoutHome.has(type);
}

/** True when tasks of the revision belong to the nodes on which their volumes are. */
export function isSticky(view: StateView, revision: Revision): boolean {
  if (localVolumes(revision).length === 0) return false;
  return flagOf(policyLabel(view, revision, placementLabels.volumeSticky)) ?? true;
}
