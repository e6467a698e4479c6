import { flagOf, placementLabels } from './labels/placement.ts';
import type { Revision } from './objects.ts';
import { policyLabel } from './policy.ts';
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
  return mounts.flatMap(({ Type, Source, VolumeOptions }) =>
    Type === 'volume' && Source !== undefined && Source !== '' && isLocal(VolumeOptions)
      ? [Source]
      : [],
  );
}

function isLocal(options: Readonly<Record<string, unknown>> | undefined): boolean {
  const config = options?.['DriverConfig'];
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
