import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { askSupervisor, type SupervisorStatus } from '../supervisor/control.ts';
import { isAlive } from '../supervisor/orphans.ts';
import { livingSupervisor } from '../supervisor/pid-file.ts';
import { controlSocket, supervisorPidFile } from './layout.ts';

const fetchMs = 2_000;

const adminRecord = z.object({
  process: z.string(),
  pid: z.number(),
  admin: z.string().nullable(),
});
type Record = z.output<typeof adminRecord>;

const healthReport = z.object({
  ready: z.boolean(),
  healthy: z.boolean(),
  role: z.string(),
  logIndex: z.number().optional(),
  detail: z.string(),
});

/** One process of a host as `shoal status` shows it. */
export interface ProcessStatus {
  readonly process: string;
  readonly state: string;
  readonly pid: number | null;
  readonly uptimeMs: number;
  readonly restarts: number;
  readonly role: string;
  readonly healthy: boolean;
  readonly ready: boolean;
  readonly logIndex: number | null;
  readonly detail: string;
  /** What its supervisor started it from; null without one. */
  readonly build: string | null;
}

export interface HostStatus {
  /** Null when no supervisor runs, or none that answers. */
  readonly supervisor: Pick<SupervisorStatus, 'pid' | 'build' | 'config'> | null;
  /** One that runs and does not answer; its pid where its file has it. */
  readonly silentSupervisor?: { readonly pid?: number | undefined } | undefined;
  readonly processes: readonly ProcessStatus[];
}

/** Asks the supervisor and every process of the run directory. */
export async function hostStatus(runDir: string): Promise<HostStatus> {
  const answer = await askSupervisor(controlSocket(runDir), { command: 'status' });
  const records = livingProcesses(runDir);
  const supervised = answer?.kind === 'status' ? answer.processes : [];
  const own = supervised.map(async (child): Promise<ProcessStatus> => {
    const record = records.find(({ pid }) => pid === child.pid);
    const health = await healthOf(record);
    // While it says nothing itself, how it ended before is what there is to say.
    const detail = health.role === '' && health.detail === '' ? child.lastExit : health.detail;
    return { ...child, ...health, detail };
  });
  // Started one by one, or left by a supervisor that was killed.
  const others = records
    .filter(({ pid }) => !supervised.some((child) => child.pid === pid))
    .map(async (record): Promise<ProcessStatus> => {
      const { process, pid } = record;
      const state = { state: 'running', uptimeMs: 0, restarts: 0, build: null };
      return { process, pid, ...state, ...(await healthOf(record)) };
    });
  return {
    supervisor: answer?.kind === 'status' ? supervisorOf(answer) : null,
    silentSupervisor:
      answer?.kind === 'silent' ? { pid: livingSupervisor(supervisorPidFile(runDir)) } : undefined,
    processes: await Promise.all([...own, ...others]),
  };
}

function supervisorOf({ pid, build, config }: SupervisorStatus): HostStatus['supervisor'] {
  return { pid, build, config };
}

/** What is said of a supervisor that does not answer, in one sentence. */
export function silenceSentence(pid: number | undefined): string {
  const which = pid === undefined ? '' : ` (pid ${pid})`;
  return `the supervisor${which} does not answer, so what dies is not restarted: ./shoal down && ./shoal up replaces it, containers go on.`;
}

type Health = Pick<ProcessStatus, 'role' | 'healthy' | 'ready' | 'logIndex' | 'detail'>;

async function healthOf(record: Record | undefined): Promise<Health> {
  const unknown = { role: '', healthy: false, ready: false, logIndex: null };
  if (record === undefined) return { ...unknown, detail: '' };
  if (record.admin === null) return { ...unknown, detail: 'its admin server is off' };
  try {
    const response = await fetch(`http://${record.admin}/healthz`, {
      signal: AbortSignal.timeout(fetchMs),
    });
    const report = healthReport.parse(await response.json());
    return { ...report, logIndex: report.logIndex ?? null };
  } catch {
    return { ...unknown, detail: `no answer from ${record.admin}` };
  }
}

/** Every process of the run directory that is alive, with where its admin server listens; null where that is off. */
export function livingProcesses(runDir: string): readonly Record[] {
  const records: Record[] = [];
  for (const name of namesIn(runDir)) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    try {
      const parsed = adminRecord.safeParse(JSON.parse(readFileSync(join(runDir, name), 'utf8')));
      if (parsed.success && isAlive(parsed.data.pid)) records.push(parsed.data);
    } catch {
      // Removed or being written; the next look sees it.
    }
  }
  return records;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
