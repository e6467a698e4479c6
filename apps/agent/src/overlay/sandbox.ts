import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** False where the folder of namespaces cannot be seen either: that says nothing. */
export async function isGone(sandbox: string | undefined): Promise<boolean> {
  if (sandbox === undefined || !(await exists(dirname(sandbox)))) return false;
  return !(await exists(sandbox));
}

/** Whether a container's namespace is there: of one that died with its engine a file stays without it. */
export async function isLive(sandbox: string): Promise<boolean> {
  const look = (path: string): Promise<number | undefined> =>
    stat(path).then(
      ({ dev }) => dev,
      () => undefined,
    );
  const [own, folder] = await Promise.all([look(sandbox), look(dirname(sandbox))]);
  return own !== undefined && own !== folder;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
