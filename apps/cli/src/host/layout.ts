import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { invariant } from '@shoal/runtime';

/** The folder of the repository this program lies in. */
export function repositoryRoot(): string {
  let at = import.meta.dirname;
  while (!existsSync(join(at, 'nx.json'))) {
    invariant(at !== '/', 'the program lies outside of its repository', {
      program: import.meta.dirname,
    });
    at = dirname(at);
  }
  return at;
}

export const logDirectory = (dataDir: string): string => join(dataDir, 'logs');
export const controlSocket = (runDir: string): string => join(runDir, 'supervisor.sock');
export const supervisorPidFile = (runDir: string): string => join(runDir, 'supervisor.pid');
