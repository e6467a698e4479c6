import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostStatus, ProcessStatus } from './health.ts';
import { processNames, programOf } from './plan.ts';

const buildDigits = 12;

/** Tells builds of a program apart: by the content of its bundles, threads and children included. Empty when there are none. */
export function buildOf(program: string): string {
  try {
    const folder = dirname(program);
    const hash = createHash('sha256');
    const bundles = readdirSync(folder).filter((name) => name.endsWith('.mjs'));
    for (const name of bundles.sort()) hash.update(readFileSync(join(folder, name)));
    return bundles.length === 0 ? '' : hash.digest('hex').slice(0, buildDigits);
  } catch {
    return '';
  }
}

interface Running {
  readonly supervisor: Pick<NonNullable<HostStatus['supervisor']>, 'build'> | null;
  readonly processes: readonly Pick<ProcessStatus, 'process' | 'pid' | 'build'>[];
}

/** The supervised processes, and their supervisor, that run another build than the one under `root`. */
export function otherBuilds({ supervisor, processes }: Running, root: string): readonly string[] {
  const isOther = supervisor !== null && supervisor.build !== buildOf(programOf(root, 'cli'));
  const others = processNames.filter((name) =>
    processes.some(
      ({ process, pid, build }) =>
        process === name &&
        pid !== null &&
        build !== null &&
        build !== buildOf(programOf(root, name)),
    ),
  );
  return isOther ? [...others, 'supervisor'] : others;
}

/** What changes that, in one sentence. */
export function otherBuildsSentence(names: readonly string[]): string {
  return `another build than the one here runs as ${names.join(', ')}: ./shoal down && ./shoal up changes that, containers go on.`;
}
