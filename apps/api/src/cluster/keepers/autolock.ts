import { lockOf, setLock, updateIdentity } from '@shoal/pki';
import { newLogKey } from '../genesis.ts';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { openSealed, sealedPlaces } from '../sealed.ts';
import { Keeper } from './keeper.ts';

const everyMs = 5_000;
/** Keys of the log on one disk. A file may still need the oldest, so none is dropped and no more are made. */
const logKeysMax = 64;

/**
 * Keeps the keys on this manager's disk wrapped as the cluster says: by its newest unlock key, or not at
 * all. When autolock begins the log gets a new key too, because the old one lay open.
 */
export function keepLock(manager: HostedManager, options: MembershipOptions): () => Promise<void> {
  const { dataDir, random, clock, logger } = options;
  const { replica } = manager;
  const look = async (): Promise<void> => {
    const { cluster } = replica.view;
    if (!replica.ready || cluster === undefined) return;
    const { id, unlockKey } = cluster;
    const lock = await lockOf(dataDir);
    if ((unlockKey?.version ?? 0) === (lock?.version ?? 0)) return;
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
