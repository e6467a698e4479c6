import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { mustRun, run } from './command.ts';
import { repository, startEngine } from './engine.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Socket of the engine all suites of the run share. */
    engineSocket: string;
    enginePid: number;
    scratch: string;
  }
}

/** One engine with the project's images for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-e2e-'));
  const before = networks();
  const engine = await startEngine(join(scratch, 'engine'));
  await mustRun(join(repository, 'images/build.sh'), [engine.url]);
  project.provide('engineSocket', engine.socket);
  project.provide('enginePid', engine.pid);
  project.provide('scratch', scratch);
  return async () => {
    const ids = (await run('docker', ['--host', engine.url, 'ps', '-aq'])).stdout.trim();
    if (ids !== '') await run('docker', ['--host', engine.url, 'rm', '-f', ...ids.split('\n')]);
    await engine.stop();
    for (const name of networks())
      if (!before.includes(name)) await run('ip', ['netns', 'del', name]);
    rmSync(scratch, { recursive: true, force: true });
  };
}

/** Networks of hosts on this computer. Those that never left their swarm stay, and hold the tunnels' port. */
function networks(): readonly string[] {
  const directory = '/run/netns';
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => name.startsWith('shoal-'));
}
