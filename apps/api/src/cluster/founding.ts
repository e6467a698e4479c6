import { mkdir, rm } from 'node:fs/promises';
import { ApiError, type SwarmInit } from '@shoal/docker-api';
import { identityDirectory, removeIdentity, setLock, writeIdentity } from '@shoal/pki';
import { type Clock, errorMessage, newId, within } from '@shoal/runtime';
import {
  defaultListen,
  isUnspecified,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
} from './addresses.ts';
import { ownMember } from './ask-managers.ts';
import { writeFirstMembership } from './first-membership.ts';
import { conceive, type Genesis } from './genesis.ts';
import { HostedManager, type HostedManagerOptions } from './hosted-manager.ts';
import type { MembershipOptions } from './options.ts';

/** Longest wait of `swarm init` for the log to take the first transaction, milliseconds. */
const firstWriteMsMax = 15_000;

/** Makes a swarm of this host alone. @throws ApiError, and nothing of it stays. */
export async function foundSwarm(
  request: SwarmInit,
  hosting: HostedManagerOptions,
  options: MembershipOptions,
): Promise<HostedManager> {
  const { dispatcherListen, clock, random, logger } = options;
  const network = await options.network();
  const asked = resolveListen(request.listenAddr, network);
  const listen = request.listenAddr === defaultListen ? options.listen : asked;
  const { address, port, others } = resolveAdvertise(request.advertiseAddr, listen, network);
  const named = request.advertiseAddr !== '' || !isUnspecified(listen.host);
  const dataPath = resolveDataPath(request.dataPathAddr, named ? address : undefined, network);
  const advertise = { host: address, port };
  const place = { listen, advertise, named, dispatcher: dispatcherListen, dataPath };
  const genesis = await conceive(request, place, clock, random);
  const hosted = await write(genesis, hosting, options);
  const { nodeId, clusterId } = genesis.identity;
  logger.info({ node: nodeId, cluster: clusterId, advertise: address }, 'swarm_initialised');
  if (others.length > 0) logger.warn({ advertise: address, others }, 'advertise_address_chosen');
  return hosted;
}

/** Resolves once the swarm counts on its first node, or after so many milliseconds. */
export async function untilNodeReady(
  { replica, identity }: HostedManager,
  clock: Clock,
  msMax: number,
): Promise<void> {
  let stop: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    const look = (): void => {
      if (replica.view.nodes.get(identity.nodeId)?.status.state === 'ready') resolve();
    };
    stop = replica.subscribe(look);
    look();
  });
  await within(clock, msMax, ready);
  stop();
}

/** The log with its first transaction, then the identity: until that is whole nothing was promised. */
async function write(
  { identity, changes, lock }: Genesis,
  hosting: HostedManagerOptions,
  { dataDir, clock, random, logger }: MembershipOptions,
): Promise<HostedManager> {
  const directory = identityDirectory(dataDir);
  let hosted: HostedManager | undefined;
  try {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const membership = { voters: [ownMember(identity)], learners: [] };
    await writeFirstMembership(dataDir, identity.voterId, membership);
    hosted = await HostedManager.open(hosting, identity, { membership });
    const first = {
      id: newId(random),
      actor: { kind: 'user', name: 'docker swarm init', node: identity.nodeId },
      reason: 'the swarm is made',
      decidedAt: hosted.replica.view.index,
      changes,
    } as const;
    const result = await within(clock, firstWriteMsMax, hosted.replica.propose([first]));
    if (result === undefined) throw new Error('the log did not take the first entry in time');
    if (result.kind === 'failed') throw new Error(result.message);
    const [outcome] = result.outcomes;
    if (outcome?.kind !== 'committed') throw new Error('the first entry was refused');
    await writeIdentity(dataDir, identity);
    if (lock !== undefined) await setLock(dataDir, lock);
    return hosted;
  } catch (error) {
    await hosted?.stop();
    await removeIdentity(dataDir).catch(() => undefined);
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
    logger.error({ error }, 'swarm_init_failed');
    throw new ApiError(500, `the swarm could not be made in ${dataDir}: ${errorMessage(error)}`);
  }
}
