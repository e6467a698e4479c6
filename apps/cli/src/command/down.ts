import { existsSync } from 'node:fs';
import { pause, systemClock } from '@shoal/runtime';
import { controlSocket, supervisorPidFile } from '../host/layout.ts';
import { askSupervisor } from '../supervisor/control.ts';
import { endProcesses, findSupervised, isAlive, signal } from '../supervisor/orphans.ts';
import { livingSupervisor } from '../supervisor/pid-file.ts';
import { stopGraceMs } from '../supervisor/supervisor.ts';
import { CommandError, type Terminal } from '../terminal.ts';

const pollMs = 50;
/** Six processes, one after the other, each at its limit. */
const stopMsMax = 90_000;

/** Stops the supervisor and every process of the run directory. Containers and state stay. */
export async function down(runDir: string, terminal: Terminal): Promise<void> {
  const pidFile = supervisorPidFile(runDir);
  const supervisor = livingSupervisor(pidFile);
  if (supervisor !== undefined) {
    terminal.say('stopping');
    await stopSupervisor(supervisor, runDir, terminal);
    await untilDead(supervisor, pidFile);
  }
  const left = findSupervised(runDir);
  if (left.length > 0) {
    terminal.say(`ending ${left.length} processes that a killed supervisor left`);
    await endProcesses(
      left.map(({ pid }) => pid),
      systemClock,
      stopGraceMs,
    );
  }
  if (supervisor === undefined && left.length === 0) {
    terminal.say(existsSync(runDir) ? 'nothing runs' : `nothing runs under ${runDir}`);
    return;
  }
  terminal.say(
    'stopped; containers of services go on running, and ./shoal up takes them over again',
  );
}

async function stopSupervisor(pid: number, runDir: string, terminal: Terminal): Promise<void> {
  const status = await askSupervisor(controlSocket(runDir), { command: 'status' });
  if (status?.kind === 'silent') {
    terminal.say(`the supervisor (pid ${pid}) does not answer; it is ended by signals`);
    // A stopped process hears SIGTERM only once it goes on.
    signal(pid, 'SIGCONT');
    await endProcesses([pid], systemClock, stopGraceMs);
    return;
  }
  const answer = await askSupervisor(controlSocket(runDir), { command: 'stop' });
  if (answer?.kind !== 'stopped') signal(pid, 'SIGTERM');
}

/** The process itself must be gone, not just its pid file, which it removes a moment before. */
async function untilDead(supervisor: number, pidFile: string): Promise<void> {
  const deadline = systemClock.monotonic() + stopMsMax;
  while (isAlive(supervisor)) {
    if (systemClock.monotonic() > deadline) {
      throw new CommandError(`the supervisor does not end; see its pid in ${pidFile}`);
    }
    await pause(systemClock, pollMs);
  }
}
