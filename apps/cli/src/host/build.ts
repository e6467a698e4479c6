import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ProcessStatus } from './health.ts';
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

/** The supervised processes that run another build than the one under `root`. */
export function otherBuilds(
  processes: readonly Pick<ProcessStatus, 'process' | 'pid' | 'build'>[],
  root: string,
): readonly string[] {
  return processNames.filter((name) =>
    processes.some(
      ({ process, pid, build }) =>
        process === name &&
        pid !== null &&
        build !== null &&
        build !== buildOf(programOf(root, name)),
    ),
  );
}

/** What changes that, in one sentence. */
export function otherBuildsSentence(names: readonly string[]): string {
  return `another build than the one here runs as ${names.join(', ')}: ./shoal down && ./shoal up changes that, containers go on.`;
}
