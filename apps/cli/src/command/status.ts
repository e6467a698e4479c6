import { otherBuilds, otherBuildsSentence } from '../host/build.ts';
import {
  type HostStatus,
  hostStatus,
  type ProcessStatus,
  silenceSentence,
} from '../host/health.ts';
import { repositoryRoot } from '../host/layout.ts';
import { formatTable, type Terminal } from '../terminal.ts';

/** Exit code when nothing runs, as of `systemctl status`. */
const exitNotRunning = 3;

/** Shows every process of the host; gives the exit code: 0 all healthy, 1 not all or their supervisor is silent, 3 nothing runs. */
export async function status(runDir: string, json: boolean, terminal: Terminal): Promise<number> {
  const found = await hostStatus(runDir);
  if (json) terminal.print(JSON.stringify(found, undefined, 2));
  else terminal.print(describe(found, otherBuilds(found, repositoryRoot())));
  if (found.silentSupervisor !== undefined) return 1;
  if (found.processes.length === 0) return exitNotRunning;
  return found.processes.every(({ healthy }) => healthy) ? 0 : 1;
}

/** `others` are those that run another build than the one here. */
export function describe(
  { supervisor, silentSupervisor, processes }: HostStatus,
  others: readonly string[] = [],
): string {
  const silent = silentSupervisor !== undefined;
  if (processes.length === 0 && !silent) return 'Nothing runs; ./shoal up starts it.';
  const table = formatTable([
    ['PROCESS', 'ROLE', 'PID', 'UPTIME', 'RESTARTS', 'HEALTH', 'LOG', 'DETAIL'],
    ...processes.map((one) => [
      one.process,
      one.role || '-',
      one.pid === null ? '-' : String(one.pid),
      one.uptimeMs === 0 ? '-' : formatUptime(one.uptimeMs),
      String(one.restarts),
      healthWord(one),
      one.logIndex === null ? '-' : String(one.logIndex),
      [...(others.includes(one.process) ? ['another build'] : []), one.detail]
        .filter((text) => text !== '')
        .join('; '),
    ]),
  ]);
  const remarks = [
    ...(silent ? [silenceSentence(silentSupervisor.pid)] : []),
    ...(supervisor === null && !silent
      ? ['No supervisor runs: what dies is not restarted. ./shoal up starts one.']
      : []),
    ...(others.length > 0 ? [otherBuildsSentence(others)] : []),
  ];
  return [table, ...remarks].join('\n');
}

function healthWord({ state, healthy, ready }: ProcessStatus): string {
  if (state === 'waiting') return 'restarting';
  if (state !== 'running') return state;
  if (!healthy) return 'unhealthy';
  return ready ? 'healthy' : 'not ready';
}

/** The largest unit that fits, as docker says it: `5s`, `12m`, `3h`, `9d`. */
export function formatUptime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
