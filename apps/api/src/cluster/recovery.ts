import { ApiError, defaultDataPathPort, mergeClusterSpec, type SwarmInit } from '@shoal/docker-api';
import { type Identity, updateIdentity } from '@shoal/pki';
import { errorMessage, formatHostPort, newId, parseHostPort, within } from '@shoal/runtime';
import {
  type Change,
  type Cluster,
  type ClusterSpec,
  canonical,
  type StateView,
} from '@shoal/state';
import { nextUnlockKey } from '../swarm/update.ts';
import {
  defaultListen,
  reachedLocally,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
} from './addresses.ts';
import { ownMember } from './ask-managers.ts';
import { writeFirstMembership } from './first-membership.ts';
import type { HostedManager, VoterStart } from './hosted-manager.ts';
import type { MembershipOptions } from './options.ts';

/** Longest wait for the log to take the change, milliseconds. */
const writeMsMax = 15_000;
/** Others may write meanwhile; after so many refusals something else is wrong. */
const attemptsMax = 8;

/**
 * Goes on with this manager alone, with everything that its disk holds: for a swarm that has lost more
 * managers than it can bear. @throws ApiError
 */
export async function recoverSwarm(
  request: SwarmInit,
  identity: Identity,
  open: (identity: Identity, start: VoterStart) => Promise<HostedManager>,
  options: MembershipOptions,
): Promise<HostedManager> {
  const { dataDir, logger } = options;
  const alone = await relocate(request, identity, options);
  const membership = { voters: [ownMember(alone)], learners: [] };
  let hosted: HostedManager | undefined;
  try {
    await writeFirstMembership(dataDir, alone.voterId, membership);
    hosted = await open(alone, { membership, recovery: 'new-cluster' });
    await forgetOthers(request, hosted, options);
    logger.warn({ node: alone.nodeId, cluster: alone.clusterId }, 'swarm_made_anew');
    return hosted;
  } catch (error) {
    await hosted?.stop();
    logger.error({ error }, 'swarm_recovery_failed');
    throw new ApiError(
      500,
      `the swarm could not be made anew from ${dataDir}: ${errorMessage(error)}`,
    );
  }
}

/** The identity of the only manager, at its old place or the one asked for now. */
async function relocate(
  request: SwarmInit,
  identity: Identity,
  { dataDir, network, dispatcherListen }: MembershipOptions,
): Promise<Identity> {
  const found = await network();
  const listen =
    request.listenAddr === defaultListen
      ? parseHostPort(identity.listenAddr)
      : resolveListen(request.listenAddr, found);
  if (listen === undefined) throw new ApiError(500, `${identity.listenAddr} is no address`);
  const advertised =
    request.advertiseAddr === ''
      ? { address: identity.advertiseAddr, port: identity.advertisePort ?? listen.port }
      : resolveAdvertise(request.advertiseAddr, listen, found);
  const { address: advertiseAddr, port: advertisePort } = advertised;
  const isNamed = request.advertiseAddr !== '';
  // Tunnels that end where the host is advertised go with that; what was asked for of them stays.
  const { dataPathAddr: before = canonical(identity.advertiseAddr) } = identity;
  const follows = isNamed && before === canonical(identity.advertiseAddr);
  const followed = follows ? advertiseAddr : undefined;
  const dataPathAddr = resolveDataPath(request.dataPathAddr, followed, found);
  const at = (port: number): string => formatHostPort({ host: advertiseAddr, port });
  const own = {
    nodeId: identity.nodeId,
    logAddr: at(advertisePort),
    dispatcherAddr: at(dispatcherListen.port),
  };
  return updateIdentity(dataDir, identity, (before) => ({
    ...before,
    advertiseAddr,
    advertisePort: advertisePort === listen.port ? undefined : advertisePort,
    ...(isNamed ? { advertiseNamed: true } : {}),
    ...(dataPathAddr !== undefined || follows ? { dataPathAddr } : {}),
    listenAddr: formatHostPort(listen),
    logAddr: reachedLocally(listen),
    managers: [own],
  }));
}

async function forgetOthers(
  request: SwarmInit,
  { replica, identity, sealKey }: HostedManager,
  { clock, random }: MembershipOptions,
): Promise<void> {
  let trouble = 'the log takes no entries';
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const ready = await within(clock, writeMsMax, replica.catchUp());
    const { view } = replica;
    if (ready?.kind !== 'caught-up' || view.cluster === undefined) {
      trouble = ready?.kind === 'failed' ? ready.message : trouble;
      continue;
    }
    const spec = askedSpec(request, view.cluster);
    const unlockKey = nextUnlockKey(view.cluster, spec, false, { sealKey, random });
    const transaction = {
      id: newId(random),
      actor: {
        kind: 'user',
        name: 'docker swarm init --force-new-cluster',
        node: identity.nodeId,
      },
      reason: 'the swarm is made anew of one manager',
      decidedAt: view.index,
      changes: recoveryChanges(
        view,
        { ...view.cluster, spec, unlockKey, ...askedAddresses(request) },
        identity.nodeId,
      ),
    } as const;
    const result = await within(clock, writeMsMax, replica.propose([transaction]));
    const [outcome] = result?.kind === 'applied' ? result.outcomes : [];
    if (outcome?.kind === 'committed') return;
    trouble = result?.kind === 'failed' ? result.message : 'the change was refused';
  }
  throw new Error(trouble);
}

/** What the user leaves out stays; autolock may also be asked for beside the spec. */
function askedSpec({ spec, requested }: SwarmInit, { spec: before }: Cluster): ClusterSpec {
  const merged = mergeClusterSpec(before, requested);
  const { EncryptionConfig } = spec.EncryptionConfig.AutoLockManagers ? spec : merged;
  return { ...merged, EncryptionConfig };
}

/** Where new networks get their addresses and tunnels end, as far as the user says it anew. */
function askedAddresses(request: SwarmInit): Partial<Cluster> {
  const { defaultAddressPool, subnetSize, dataPathPort } = request;
  return {
    ...(defaultAddressPool.length === 0 ? {} : { defaultAddressPool, subnetSize }),
    ...(dataPathPort === defaultDataPathPort ? {} : { dataPathPort }),
  };
}

/** What the other managers' nodes say after `docker swarm init --force-new-cluster`. */
const demoted = 'the swarm was made anew without this manager';

/**
 * What makes the state fit a log that this manager keeps alone: the others are workers that are away. One
 * that comes back learns so from its session and becomes a worker.
 */
export function recoveryChanges(
  view: StateView,
  cluster: Cluster,
  nodeId: string,
): readonly Change[] {
  const changes: Change[] = [];
  for (const node of view.nodes.values()) {
    const manages = node.role === 'manager' || node.spec.Role === 'manager';
    if (node.id === nodeId) {
      if (node.role === 'manager' && node.spec.Role === 'manager') continue;
      const own = { ...node, spec: { ...node.spec, Role: 'manager' }, role: 'manager' } as const;
      changes.unshift({ op: 'update', table: 'node', object: own });
    } else if (manages) {
      const { manager: _gone, ...rest } = node;
      const object = {
        ...rest,
        spec: { ...node.spec, Role: 'worker' },
        role: 'worker',
        status: { ...node.status, state: 'down', message: demoted },
      } as const;
      changes.push({ op: 'update', table: 'node', object });
    }
  }
  return [...changes, { op: 'update', table: 'cluster', object: cluster }];
}
