import { mkdir, rm } from 'node:fs/promises';
import { ApiError, apiErrors, type SwarmJoin } from '@shoal/docker-api';
import { type Identity, identityDirectory, isJoinToken, writeIdentity } from '@shoal/pki';
import type { Member } from '@shoal/raft';
import { VoterClient } from '@shoal/raft/client';
import { errorMessage, formatHostPort, newId, parseHostPort, within } from '@shoal/runtime';
import { RemoteReplica, type Replica } from '@shoal/stage';
import type { Change } from '@shoal/state';
import {
  defaultListen,
  isUnspecified,
  reachedLocally,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
} from './addresses.ts';
import { otherManagers, ownMember } from './ask-managers.ts';
import { writeFirstMembership } from './first-membership.ts';
import { newLogKey } from './genesis.ts';
import { obtainCertificate } from './join/obtain.ts';
import { checkOwnPorts, reachManager } from './join/preflight.ts';
import type { MembershipOptions } from './options.ts';
import { newVoterId } from './voter-id.ts';

/** Longest wait of a join that failed for its node to be taken out of the state, milliseconds. */
const undoMsMax = 5_000;

/**
 * Everything up to a whole identity on this disk: the pre-flight, the certificate, the files.
 * @throws ApiError, one sentence with the fix; nothing stays then.
 */
export async function joinSwarm(request: SwarmJoin, options: MembershipOptions): Promise<Identity> {
  const { dataDir, random, logger, probes, dispatcherListen } = options;
  if (!isJoinToken(request.joinToken)) throw apiErrors.badJoinToken();
  const network = await options.network();
  const asked = resolveListen(request.listenAddr, network);
  const listen = request.listenAddr === defaultListen ? options.listen : asked;
  const named =
    request.advertiseAddr === '' && isUnspecified(listen.host)
      ? undefined
      : resolveAdvertise(request.advertiseAddr, listen, network);
  const dataPathAddr = resolveDataPath(request.dataPathAddr, named?.address, network);
  await checkOwnPorts({ cluster: listen, dispatcher: dispatcherListen }, probes, options.clock);
  const remotes = request.remoteAddrs.flatMap((text) => {
    const at = parseHostPort(text);
    return at === undefined ? [] : [{ text, at }];
  });
  const reached = await reachManager(remotes, probes);
  // Nobody knows better than the kernel's routes which address the managers see.
  const advertiseAddr = named?.address ?? reached.from;
  const advertisePort = named?.port ?? listen.port;
  const ends = { address: reached.manager, host: listen.host };
  const issued = await obtainCertificate(request, ends, options);
  const at = (port: number): string => formatHostPort({ host: advertiseAddr, port });
  const isManager = issued.role === 'manager';
  const own = {
    nodeId: issued.nodeId,
    logAddr: at(advertisePort),
    dispatcherAddr: at(dispatcherListen.port),
  };
  const others = issued.managers.filter(({ nodeId }) => nodeId !== issued.nodeId);
  const { sealKey } = issued;
  const identity: Identity = {
    clusterId: issued.clusterId,
    nodeId: issued.nodeId,
    role: issued.role,
    voterId: isManager ? newVoterId(random) : 0,
    advertiseAddr,
    advertiseNamed: named !== undefined,
    ...(advertisePort === listen.port ? {} : { advertisePort }),
    ...(dataPathAddr === undefined ? {} : { dataPathAddr }),
    listenAddr: formatHostPort(listen),
    logAddr: isManager ? reachedLocally(listen) : '',
    dispatcherAddr: isManager ? reachedLocally(dispatcherListen) : '',
    managers: isManager ? [...others, own] : others,
    caCertificate: issued.trustRoots,
    certificate: issued.certificate,
    key: issued.key,
    ...(sealKey === undefined ? {} : { sealKey }),
    logKeys: isManager ? [{ number: 1, key: newLogKey(random) }] : [],
  };
  const voters = issued.voters.map(({ id, ...rest }) => ({ id: id as Member['id'], ...rest }));
  await store(identity, voters, dataDir);
  logger.info(
    { node: identity.nodeId, cluster: identity.clusterId, role: identity.role, advertiseAddr },
    'swarm_joined',
  );
  return identity;
}

async function store(
  identity: Identity,
  voters: readonly Member[],
  dataDir: string,
): Promise<void> {
  const directory = identityDirectory(dataDir);
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (identity.role === 'manager')
      await writeFirstMembership(dataDir, identity.voterId, {
        voters,
        learners: [ownMember(identity)],
      });
    await writeIdentity(dataDir, identity);
  } catch (error) {
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
    throw new ApiError(
      500,
      `the identity of this node could not be stored in ${dataDir}: ${errorMessage(error)}; make room there or mend its permissions, then join again`,
    );
  }
}

/** Takes the node of a join that failed out of the state, as far as a manager can be reached. */
export async function undoJoin(identity: Identity, options: MembershipOptions): Promise<void> {
  const { clock, random, logger } = options;
  const [address] = otherManagers(identity);
  if (address === undefined) return;
  const client = new VoterClient(address, identity);
  const follower = `join@${identity.nodeId}`;
  const replica = new RemoteReplica({ client: () => client, follower, clock, random, logger });
  try {
    const undone = within(clock, undoMsMax, removeNode(replica, identity.nodeId, options));
    logger.info({ node: identity.nodeId, outcome: (await undone) ?? 'late' }, 'join_undone');
  } finally {
    replica.stop();
    client.close();
  }
}

async function removeNode(
  replica: Replica,
  nodeId: string,
  { random }: MembershipOptions,
): Promise<string> {
  await replica.catchUp();
  const node = replica.view.nodes.get(nodeId);
  if (node === undefined) return 'no node';
  const { manager: _none, ...rest } = node;
  const worker = { ...rest, spec: { ...node.spec, Role: 'worker' }, role: 'worker' } as const;
  const changes: readonly Change[] = [
    { op: 'update', table: 'node', object: worker },
    { op: 'delete', table: 'node', id: nodeId, version: node.meta.version },
  ];
  const undo = {
    id: newId(random),
    actor: { kind: 'user', name: 'docker swarm join', node: nodeId },
    reason: 'the managers did not take this one in',
    decidedAt: replica.view.index,
    changes,
  } as const;
  const result = await replica.propose([undo]);
  return result.kind === 'applied' ? (result.outcomes[0]?.kind ?? 'failed') : result.message;
}
