import { lockOf, setLock, updateIdentity } from '@shoal/pki';
import { newLogKey } from '../genesis.ts';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { openSealed, sealedPlaces } from '../sealed.ts';
import { Keeper } from './keeper.ts';

const everyMs = 5_000;
/** Keys of the log on one disk. As long as files need them all, no more are made. */
const logKeysMax = 64;

/**
 * Keeps the keys on this manager's disk wrapped as the cluster says: by its newest unlock key, or not at
 * all. When autolock begins the log gets a new key too, because the old one lay open; that one goes once
 * nothing on the disk needs it.
 */
export function keepLock(manager: HostedManager, options: MembershipOptions): () => Promise<void> {
  const { dataDir, random, clock, logger } = options;
  const { replica } = manager;
  const look = async (): Promise<void> => {
    const { cluster } = replica.view;
    if (!replica.ready || cluster === undefined) return;
    const { id, unlockKey } = cluster;
    const lock = await lockOf(dataDir);
    if ((unlockKey?.version ?? 0) === (lock?.version ?? 0)) return dropOldKeys(manager, options);
    if (unlockKey === undefined) {
      await setLock(dataDir, null);
      logger.info({}, 'autolock_off');
      return;
    }
    const text = openSealed(manager.sealKey, unlockKey.key, sealedPlaces.unlockKey(id));
    await setLock(dataDir, { unlockKey: text, version: unlockKey.version });
    logger.info({ version: unlockKey.version }, 'autolock_on');
    if (lock !== null) return;
    const identity = await updateIdentity(dataDir, (before) => {
      if (before.logKeys.length >= logKeysMax) return before;
      const number = (before.logKeys.at(-1)?.number ?? 0) + 1;
      return { ...before, logKeys: [...before.logKeys, { number, key: newLogKey(random) }] };
    });
    manager.renew(identity);
  };
  const keeper = new Keeper({ name: 'autolock', everyMs, clock, logger, look });
  let seen = replica.view.cluster?.unlockKey;
  const unsubscribe = replica.subscribe(() => {
    const now = replica.view.cluster?.unlockKey;
    if (now !== seen) keeper.wake();
    seen = now;
  });
  return () => {
    unsubscribe();
    return keeper.stop();
  };
}

/** What was written under a key goes with the segments and snapshots that newer ones replace. */
async function dropOldKeys(manager: HostedManager, options: MembershipOptions): Promise<void> {
  const { logKeys } = manager.identity;
  if (logKeys.length < 2) return;
  const { oldestLogKey } = await manager.voter.status();
  const isNeeded = ({ number }: { readonly number: number }): boolean => number >= oldestLogKey;
  if (logKeys.every(isNeeded)) return;
  const identity = await updateIdentity(options.dataDir, (before) => ({
    ...before,
    logKeys: before.logKeys.filter(isNeeded),
  }));
  options.logger.info({ oldest: oldestLogKey }, 'log_keys_dropped');
  manager.renew(identity);
}
