import { type LogKey, lockOf, setLock, updateIdentity } from '@shoal/pki';
import type { Voter } from '@shoal/raft/service';
import type { Random } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import { newLogKey } from '../genesis.ts';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { openSealed, sealedPlaces } from '../sealed.ts';
import { Keeper } from './keeper.ts';

const everyMs = 5_000;
/** Keys of the log on one disk. As long as files need them all, no more are made. */
const logKeysMax = 64;

/** What the lock needs of a hosted manager. */
export interface LockedManager extends Pick<HostedManager, 'identity' | 'sealKey' | 'renew'> {
  readonly replica: Pick<Replica, 'view' | 'ready' | 'subscribe'>;
  readonly voter: Pick<Voter, 'status'>;
}

type LockOptions = Pick<MembershipOptions, 'dataDir' | 'random' | 'clock' | 'logger'>;

/**
 * Keeps the keys on this manager's disk wrapped as the cluster says: by its newest unlock key, or not at
 * all. When autolock begins the log gets a new key in the same step, because the old one lay open; that one
 * goes once nothing on the disk needs it.
 */
export function keepLock(manager: LockedManager, options: LockOptions): () => Promise<void> {
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
    const { version } = unlockKey;
    await setLock(dataDir, { unlockKey: text, version }, (before) =>
      lock === null ? withNewKey(before, random) : before,
    );
    logger.info({ version }, 'autolock_on');
    manager.renew(await updateIdentity(dataDir, manager.identity, (identity) => identity));
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

function withNewKey(before: readonly LogKey[], random: Random): readonly LogKey[] {
  if (before.length >= logKeysMax) return before;
  const number = (before.at(-1)?.number ?? 0) + 1;
  return [...before, { number, key: newLogKey(random) }];
}

/** What was written under a key goes with the segments and snapshots that newer ones replace. */
async function dropOldKeys(manager: LockedManager, options: LockOptions): Promise<void> {
  const { logKeys } = manager.identity;
  if (logKeys.length < 2) return;
  const { oldestLogKey } = await manager.voter.status();
  const isNeeded = ({ number }: { readonly number: number }): boolean => number >= oldestLogKey;
  if (logKeys.every(isNeeded)) return;
  const identity = await updateIdentity(options.dataDir, manager.identity, (before) => ({
    ...before,
    logKeys: before.logKeys.filter(isNeeded),
  }));
  options.logger.info({ oldest: oldestLogKey }, 'log_keys_dropped');
  manager.renew(identity);
}
