import {
  apiErrors,
  type LocalSwarm,
  type Quorum,
  type SwarmInit,
  type SwarmJoin,
} from '@shoal/docker-api';
import { clockProblem, type Identity } from '@shoal/pki';
import type { Instant } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import type { SpecHistory } from './spec-history.ts';
import { clusterTls } from './trust.ts';

/** A host that is a manager: who it is, and its copy of the state. */
export interface Manager {
  /** The newest; the certificate in it may be renewed at any time. */
  readonly identity: Identity;
  /** Opens what is sealed in the state. */
  readonly sealKey: Buffer;
  readonly replica: Replica;
  readonly specs: SpecHistory;
  /** Who leads and who can be reached, as the leader last heard; empty when nobody can say. */
  quorum(): Promise<Quorum>;
  /** Resolves when the files of who changed what hold all that was acknowledged before, if the disk takes it. */
  flushAudit(): Promise<void>;
}

/** Where this host stands. */
export type Standing =
  | { readonly kind: 'inactive' }
  /** There is an identity that cannot be used, or a log that cannot be opened. */
  | { readonly kind: 'error'; readonly message: string; readonly identity?: Identity }
  /** The keys on the disk are wrapped, and nobody has unlocked them since the host started. */
  | { readonly kind: 'locked' }
  /** The host has an identity and is on its way to what that says. */
  | { readonly kind: 'pending'; readonly identity: Identity; readonly message: string }
  | { readonly kind: 'worker'; readonly identity: Identity }
  | { readonly kind: 'manager'; readonly manager: Manager };

/** The host's place in a swarm, as the routes need it. */
export interface SwarmHost {
  readonly standing: Standing;
  /** Pending while the host takes up what is on its disk; `standing` says little until then. */
  readonly takingUp: Promise<void> | undefined;
  /** Makes the swarm, or makes it anew of this manager alone, and answers the node's id. @throws ApiError */
  init(request: SwarmInit): Promise<string>;
  /** @throws ApiError */
  join(request: SwarmJoin): Promise<void>;
  /** @throws ApiError */
  leave(force: boolean): Promise<void>;
  /** @throws ApiError */
  unlock(key: string): Promise<void>;
}

/** Nobody leads, as far as is known. */
export const noQuorum: Quorum = { leader: undefined, reachability: new Map() };

/** What `/info` says of a standing. */
export async function localSwarm(standing: Standing, now: Instant): Promise<LocalSwarm> {
  switch (standing.kind) {
    case 'inactive':
      return { kind: 'inactive' };
    case 'error':
      return { kind: 'error', message: standing.message };
    case 'locked':
      return { kind: 'locked' };
    case 'pending':
      return { kind: 'pending', ...placeOf(standing.identity), error: standing.message };
    case 'worker': {
      const error = clockProblem(standing.identity.certificate, now) ?? '';
      return { kind: 'worker', ...placeOf(standing.identity), error };
    }
    case 'manager':
      return localManager(standing.manager, now);
  }
}

async function localManager(manager: Manager, now: Instant): Promise<LocalSwarm> {
  const { identity, replica } = manager;
  const { view } = replica;
  const { cluster } = view;
  const tls = cluster === undefined ? undefined : await clusterTls(cluster);
  const error = clockProblem(identity.certificate, now) ?? (await troubleOf(manager));
  return {
    kind: 'manager',
    ...placeOf(identity),
    managers: managersOf(manager),
    tls,
    view,
    error,
  };
}

async function troubleOf(manager: Manager): Promise<string> {
  if (!manager.replica.ready) return 'the state of the swarm is being loaded';
  return (await manager.quorum()).leader === undefined ? apiErrors.noLeader().message : '';
}

function placeOf({ nodeId, advertiseAddr, managers }: Identity) {
  return {
    nodeId,
    addr: advertiseAddr,
    managers: managers.map(({ nodeId: id, logAddr }) => ({ nodeId: id, addr: logAddr })),
  };
}

/** The managers that the state knows; before it is loaded those that the identity remembers. */
function managersOf({ identity, replica }: Manager) {
  const known = [...replica.view.nodes.values()].flatMap(({ id, manager }) =>
    manager === undefined ? [] : [{ nodeId: id, addr: manager.addr }],
  );
  return known.length > 0 ? known : placeOf(identity).managers;
}
