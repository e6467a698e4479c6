import type { SwarmUpdate } from '@shoal/docker-api';
import { newUnlockKey } from '@shoal/pki';
import type { Clock, Random } from '@shoal/runtime';
import type { Cluster, ClusterSpec } from '@shoal/state';
import { sealedToken, sealedUnlockKey } from '../cluster/sealed.ts';
import { checkClusterLabels } from '../services/labels.ts';
import { rotatedRoot } from './root.ts';

/** What `POST /swarm/update` asks for. */
export interface ClusterChange extends SwarmUpdate {
  readonly rotateWorkerToken: boolean;
  readonly rotateManagerToken: boolean;
  readonly rotateUnlockKey: boolean;
}

export interface ClusterPorts {
  readonly sealKey: Buffer;
  readonly clock: Clock;
  readonly random: Random;
}

/** The cluster as it is to be. @throws ApiError when it cannot be so. */
export async function changedCluster(
  cluster: Cluster,
  change: ClusterChange,
  ports: ClusterPorts,
): Promise<Cluster> {
  const { id, joinTokens } = cluster;
  const { spec } = change;
  checkClusterLabels(spec.Labels);
  const rootCa = await rotatedRoot(cluster, change, ports);
  const fresh = (role: 'worker' | 'manager') =>
    sealedToken(ports.sealKey, id, role, rootCa.certificate, ports.random);
  const { unlockKey: _before, ...rest } = cluster;
  const unlockKey = nextUnlockKey(cluster, spec, change.rotateUnlockKey, ports);
  return {
    ...rest,
    spec,
    rootCa,
    joinTokens: {
      worker: change.rotateWorkerToken ? fresh('worker') : joinTokens.worker,
      manager: change.rotateManagerToken ? fresh('manager') : joinTokens.manager,
    },
    ...(unlockKey === undefined ? {} : { unlockKey }),
  };
}

/**
 * The unlock key that goes with the spec. Its version is that of the object it replaces, so that no two keys of a
 * cluster share one.
 */
export function nextUnlockKey(
  { id, meta, unlockKey }: Cluster,
  { EncryptionConfig }: ClusterSpec,
  rotate: boolean,
  { sealKey, random }: Omit<ClusterPorts, 'clock'>,
): Cluster['unlockKey'] {
  if (!EncryptionConfig.AutoLockManagers) return undefined;
  if (unlockKey !== undefined && !rotate) return unlockKey;
  const fresh = { unlockKey: newUnlockKey(random), version: meta.version };
  return sealedUnlockKey(sealKey, id, fresh, random);
}
