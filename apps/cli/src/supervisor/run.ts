import { rmSync } from 'node:fs';
import { systemClock } from '@shoal/runtime';
import { createLogger } from '@shoal/runtime/process';
import { buildOf } from '../host/build.ts';
import type { HostConfig } from '../host/config.ts';
import { controlSocket, logDirectory, repositoryRoot, supervisorPidFile } from '../host/layout.ts';
import { type ProcessPlan, programOf } from '../host/plan.ts';
import { type ControlAnswer, type ControlRequest, serveControl } from './control.ts';
import { endProcesses, findSupervised } from './orphans.ts';
import { leavePidFile, takePidFile } from './pid-file.ts';
import { Supervisor, stopGraceMs } from './supervisor.ts';

/**
 * Supervises a host until it is told to stop. Resolves when everything has ended; `taken` when
 * another supervisor has this run directory.
 */
export async function runSupervisor(
  config: HostConfig,
  plans: readonly ProcessPlan[],
): Promise<'stopped' | 'taken'> {
  const logger = createLogger({ process: 'supervisor', level: 'info' });
  const pidFile = supervisorPidFile(config.runDir);
  if (!takePidFile(pidFile)) return 'taken';

  const orphans = findSupervised(config.runDir);
  if (orphans.length > 0) {
    logger.warn({ orphans }, 'ending_processes_of_a_dead_supervisor');
    await endProcesses(
      orphans.map(({ pid }) => pid),
      systemClock,
      stopGraceMs,
    );
  }
  const supervisor = new Supervisor({
    plans,
    logDirectory: logDirectory(config.dataDir),
    clock: systemClock,
    logger,
  });
  let stopping: Promise<void> | undefined;
  const stop = (why: string): Promise<void> => {
    if (stopping === undefined) logger.info({ why }, 'stopping');
    stopping ??= supervisor.stop();
    return stopping;
  };
  let allStopped: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    allStopped = resolve;
  });
  const stopAll = (why: string): Promise<void> => stop(why).then(allStopped);
  process.on('SIGTERM', () => void stopAll('SIGTERM'));
  process.on('SIGINT', () => void stopAll('SIGINT'));
  process.on('SIGHUP', () => undefined);
  const control = await serveControl(
    controlSocket(config.runDir),
    answering(config, supervisor, stopAll),
  );
  supervisor.start();
  await stopped;
  // The pid file goes last: from then on somebody else may begin.
  rmSync(controlSocket(config.runDir), { force: true });
  leavePidFile(pidFile);
  control.close();
  logger.info({}, 'stopped');
  return 'stopped';
}

function answering(
  config: HostConfig,
  supervisor: Supervisor,
  stop: (why: string) => Promise<void>,
): (request: ControlRequest) => Promise<ControlAnswer> {
  // As it is at the start: later it may be that of a newer one.
  const build = buildOf(programOf(repositoryRoot(), 'cli'));
  return async ({ command }) => {
    if (command === 'stop') {
      await stop('asked');
      return { kind: 'stopped' };
    }
    const { pid } = process;
    return { kind: 'status', pid, build, config, processes: [...supervisor.status()] };
  };
}
