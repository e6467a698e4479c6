import { join } from 'node:path';
import { pause, systemClock } from '@shoal/runtime';
import { lastWords } from '../supervisor/last-words.ts';
import { CommandError } from '../terminal.ts';
import type { HostConfig } from './config.ts';
import { type HostStatus, hostStatus, type ProcessStatus } from './health.ts';
import { logDirectory } from './layout.ts';

const healthyMsMax = 60_000;
/** Longest further wait for what is up to be ready too; a swarm without quorum never is. */
const readyMsMax = 5_000;
const pollMs = 100;
/** A process that calls itself unhealthy for this long does not come up by itself. */
const unhealthyMsMax = 5_000;
/** A process that died this often while it should come up does not come up. */
const restartsMax = 4;

const isUp = (status: ProcessStatus): boolean =>
  status.healthy && status.role !== '' && status.role !== 'starting';

/**
 * Waits until every process of the host is up, and tells of each; then a while until the swarm answers.
 * @throws CommandError with the last words of the one that does not come up.
 */
export async function untilHealthy(
  config: HostConfig,
  supervisorEnded: () => string | undefined,
  say: (line: string) => void,
): Promise<void> {
  const deadline = systemClock.monotonic() + healthyMsMax;
  const told = new Set<string>();
  let upSince: number | undefined;
  let bad = { reason: '', since: systemClock.monotonic() };
  for (;;) {
    const status = await hostStatus(config.runDir);
    for (const { process } of status.processes.filter(isUp)) {
      if (!told.has(process)) say(`${process} is up`);
      told.add(process);
    }
    if (status.supervisor !== null && status.processes.every(isUp)) {
      upSince ??= systemClock.monotonic();
      const isLate = systemClock.monotonic() - upSince > readyMsMax;
      if (isLate || status.processes.every(({ ready }) => ready)) return;
    }
    const reason = unhealthyOf(status);
    if (reason !== bad.reason) bad = { reason, since: systemClock.monotonic() };
    if (reason !== '' && systemClock.monotonic() - bad.since > unhealthyMsMax) {
      throw new CommandError(reason);
    }
    const trouble = troubleOf(status, config, supervisorEnded());
    if (trouble !== undefined) throw new CommandError(trouble);
    if (systemClock.monotonic() > deadline) {
      const late = status.processes.filter((one) => !isUp(one)).map(({ process }) => process);
      throw new CommandError(
        `not up after ${healthyMsMax / 1000} s: ${late.join(', ') || 'the supervisor'}; see ${logDirectory(config.dataDir)}`,
      );
    }
    await pause(systemClock, pollMs);
  }
}

/** What a process says of itself that answers but is not healthy; empty when there is none. */
function unhealthyOf({ processes }: HostStatus): string {
  const sick = processes.find(({ healthy, role }) => !healthy && role !== '');
  return sick === undefined ? '' : `${sick.process} is not healthy: ${sick.detail}`;
}

/** Why waiting longer is of no use; undefined while it may be. */
function troubleOf(
  status: HostStatus,
  config: HostConfig,
  supervisorEnded: string | undefined,
): string | undefined {
  const logOf = (name: string): string => join(logDirectory(config.dataDir), `${name}.log`);
  if (supervisorEnded !== undefined && status.supervisor === null) {
    const path = logOf('supervisor');
    return `${supervisorEnded}: ${lastWords(path)}; see ${path}`;
  }
  const broken = status.processes.find(
    ({ restarts, role }) => role === '' && restarts > restartsMax,
  );
  if (broken === undefined) return undefined;
  return `${broken.process} does not come up (${broken.detail}); see ${logOf(broken.process)}`;
}
