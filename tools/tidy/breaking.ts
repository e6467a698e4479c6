import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import type { Finding } from './source.ts';

/** The protocols as builds in use speak them; libs/proto/README.md says when it is made anew. */
const baseline = 'baseline.binpb';
/** The exit code of buf for what it found, as opposed to what it could not do. */
const found = 100;

/**
 * What a process of another version would misread, by the rules of `buf.yaml` in `folder`. Needs no network.
 * @throws Error when buf cannot run, or has no baseline.
 */
export function checkBreaking(root: string, folder: string): readonly Finding[] {
  const bin = join(root, 'node_modules/.bin');
  const { status, stdout, stderr, error } = spawnSync(
    join(bin, 'buf'),
    ['breaking', '--against', baseline],
    {
      cwd: join(root, folder),
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` },
      encoding: 'utf8',
    },
  );
  if (status === 0) return [];
  if (status !== found) throw new Error(`buf breaking failed: ${stderr}`, { cause: error });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => findingOf(folder, line));
}

/** Of `path:line:column:sentence`. */
function findingOf(folder: string, told: string): Finding {
  const [, path = 'buf.yaml', line = '?', sentence = told] =
    /^(.*?):(\d+):\d+:(.*)$/.exec(told) ?? [];
  return {
    path: join(folder, path),
    message: `line ${line}: ${sentence} Other versions would misread it; see ${folder}/README.md`,
  };
}
