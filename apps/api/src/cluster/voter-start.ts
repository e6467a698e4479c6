import { rm } from 'node:fs/promises';
import { type Identity, setLock, updateIdentity } from '@shoal/pki';
import { logDirectory } from '@shoal/raft/backup';
import { formatHostPort, parseHostPort } from '@shoal/runtime';
import { reachedLocally } from './addresses.ts';
import { askVoters, ownMember } from './ask-managers.ts';
import { readFirstMembership, writeFirstMembership } from './first-membership.ts';
import { newLogKey } from './genesis.ts';
import type { VoterStart } from './hosted-manager.ts';
import { certifyAgain } from './keepers/own-certificate.ts';
import type { MembershipOptions } from './options.ts';
import { newVoterId } from './voter-id.ts';

/** What a manager's voter is started with. */
export interface PreparedManager {
  readonly identity: Identity;
  readonly start: VoterStart;
}

/**
 * Makes a manager's identity fit to be one: a certificate that is valid now, a voter's number and a key for
 * the log when it was a worker until now. @throws when nobody can say yet who keeps the log, or no seal key is there.
 */
export async function prepareManager(
  given: Identity,
  options: MembershipOptions,
): Promise<PreparedManager> {
  if (given.sealKey === undefined)
    throw new Error('this manager has no seal key yet: its agent asks the other managers for it');
  const certified = await certifyAgain(given, options);
  const identity = certified.voterId === 0 ? await promote(certified, options) : certified;
  const { dataDir, clock } = options;
  const known = await readFirstMembership(dataDir, identity.voterId);
  if (known !== undefined) return { identity, start: { membership: known } };
  const voters = await askVoters(identity, clock);
  if (voters === undefined) throw new Error('no manager answers that could say who keeps the log');
  const others = voters.filter(({ nodeId }) => nodeId !== identity.nodeId);
  const membership = { voters: others, learners: [ownMember(identity)] };
  await writeFirstMembership(dataDir, identity.voterId, membership);
  return { identity, start: { membership } };
}

/** A worker that is to be a manager gets what a manager has, and an empty log. */
async function promote(identity: Identity, options: MembershipOptions): Promise<Identity> {
  const { dataDir, random, dispatcherListen, listen, logger } = options;
  await rm(logDirectory(dataDir), { recursive: true, force: true });
  logger.info({ node: identity.nodeId }, 'manager_begins');
  const voterId = newVoterId(random);
  const logKeys = [{ number: 1, key: newLogKey(random) }];
  return updateIdentity(dataDir, identity, (before) => {
    const own = parseHostPort(before.listenAddr) ?? listen;
    return {
      ...before,
      voterId,
      logKeys,
      listenAddr: before.listenAddr === '' ? formatHostPort(own) : before.listenAddr,
      logAddr: reachedLocally(own),
      dispatcherAddr: reachedLocally(dispatcherListen),
    };
  });
}

/** Takes from a worker what it had as a manager: the log, its keys, and the cluster's seal key. */
export async function becomeWorker(
  identity: Identity,
  { dataDir, logger }: MembershipOptions,
): Promise<Identity> {
  const isBare =
    identity.voterId === 0 &&
    identity.logAddr === '' &&
    identity.logKeys.length === 0 &&
    identity.sealKey === undefined;
  if (isBare) return identity;
  logger.info({ node: identity.nodeId }, 'manager_ended');
  await rm(logDirectory(dataDir), { recursive: true, force: true });
  await setLock(dataDir, null);
  return updateIdentity(dataDir, identity, ({ sealKey, ...before }) => ({
    ...before,
    // Promoted again meanwhile: the seal key on the disk came with the new certificate.
    ...(before.role === 'manager' && sealKey !== undefined ? { sealKey } : {}),
    voterId: 0,
    logKeys: [],
    logAddr: '',
    dispatcherAddr: '',
  }));
}
