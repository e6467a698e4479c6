import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { mustRun } from '../host/command.ts';
import { repository, startEngine } from '../host/engine.ts';

/** Images of the project are all it needs; its tasks have no network. */
const flags = ['--bridge=none', '--iptables=false', '--ip6tables=false'];

/** An engine of one suite's own, so that it can end it and count all that runs there. */
export interface OwnEngine {
  /** `unix://…`. */
  readonly address: string;
  /** The docker CLI against it; gives standard output. */
  docker(...args: readonly string[]): Promise<string>;
  /** Ends the engine, and its containers with it, and starts it again. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startOwnEngine(): Promise<OwnEngine> {
  const directory = mkdtempSync(join(inject('scratch'), 'own-engine-'));
  let engine = await startEngine(directory, flags);
  const { url } = engine;
  await mustRun(join(repository, 'images/build.sh'), [url]);
  const docker: OwnEngine['docker'] = (...args) => mustRun('docker', ['--host', url, ...args]);
  return {
    address: url,
    docker,
    async restart() {
      await engine.stop();
      engine = await startEngine(directory, flags);
    },
    async stop() {
      const ids = (await docker('ps', '-aq')).split('\n').filter(Boolean);
      if (ids.length > 0) await docker('rm', '-f', ...ids);
      await engine.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
