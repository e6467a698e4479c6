import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

const folders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];
const packages = { wrk: 'wrk', nginx: 'nginx-light', haproxy: 'haproxy', nft: 'nftables' } as const;

export function findProgram(program: string): string | undefined {
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** One sentence when balancing cannot be measured here. */
export function balancingMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'balancing is measured in network namespaces: run as root';
  const missing = Object.entries(packages).filter(
    ([program]) => findProgram(program) === undefined,
  );
  if (missing.length === 0) return undefined;
  return `install ${missing.map(([, name]) => name).join(', ')} to measure balancing`;
}
