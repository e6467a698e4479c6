import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { isRunning, mustRun } from '../host/command.ts';
import { repository, startEngine } from '../host/engine.ts';
import { eventually } from '../host/wait.ts';
import { sweep } from './sweep.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the engine whose containers are the machines. */
    outerEngine: string;
    /** Its process: the network between the machines is in its network namespace. */
    outerEnginePid: number;
    /** Folder that all machines keep compiled code in. */
    codeCache: string;
  }
}

/** Kept from run to run: the images in it take minutes to make. */
const directory = process.env['SHOAL_E2E_CACHE'] ?? '/var/cache/shoal-e2e';
const ownerFile = join(directory, 'owner.pid');
/** How long to wait for another run on this computer to end. */
const otherRunMsMax = 20 * 60_000;
const stopMsMax = 30_000;

/** The engine that runs the machines, with their image, and no machine left of earlier runs. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  mkdirSync(directory, { recursive: true });
  await eventually('another run of these suites ends', takeOwnership, otherRunMsMax);
  await stopLeftEngine();
  const engine = await startEngine(join(directory, 'engine'), ['--storage-driver=overlay2']);
  const close = async (): Promise<void> => {
    await sweep(engine.url);
    await engine.stop();
    rmSync(ownerFile, { force: true });
  };
  try {
    await sweep(engine.url);
    const script = join(repository, 'images/shoal.sh');
    await mustRun(script, ['--host', engine.url], { timeoutMs: 15 * 60_000 });
  } catch (error) {
    await close();
    throw error;
  }
  const codeCache = join(directory, 'code');
  mkdirSync(codeCache, { recursive: true });
  project.provide('outerEngine', engine.url);
  project.provide('outerEnginePid', engine.pid);
  project.provide('codeCache', codeCache);
  return close;
}

/** One run at a time: two of them would fight for the engine, and for the two cores. */
function takeOwnership(): boolean {
  const owner = readPid(ownerFile);
  if (owner !== undefined && isRunning(owner)) return false;
  rmSync(ownerFile, { force: true });
  writeFileSync(ownerFile, String(process.pid), { flag: 'wx' });
  return true;
}

/** A run that was killed leaves its engine behind. */
async function stopLeftEngine(): Promise<void> {
  const pid = readPid(join(directory, 'engine/pid'));
  if (pid === undefined || !commandLine(pid).includes(directory)) return;
  process.kill(pid, 'SIGTERM');
  await eventually('the engine of an earlier run ends', () => !isRunning(pid), stopMsMax);
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
