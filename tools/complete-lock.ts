/**
 * Adds to package-lock.json the optional platform packages that npm left out. A registry without
 * some platform builds makes `npm install` drop their entries without a word, and `npm ci` then refuses the lock.
 * npm skips the added entries where os, cpu or libc do not fit, and fetches them where they do.
 *
 *   node tools/complete-lock.ts            writes what is missing
 *   node tools/complete-lock.ts --check    only says so, and fails
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** By path, such as `node_modules/a/node_modules/b`; the root package has the empty path. */
export type LockPackages = Readonly<Record<string, LockEntry>>;

const systems = [
  'darwin',
  'win32',
  'freebsd',
  'openbsd',
  'netbsd',
  'android',
  'aix',
  'sunos',
  'linux',
];
/** In the order of search: `arm` is part of `arm64`. */
const processors = [
  'arm64',
  'armv7',
  'arm',
  'x64',
  'ia32',
  'ppc64',
  's390x',
  'riscv64',
  'loong64',
  'mips64el',
];

/** The entries that the lock lacks, by path. Packages that are not for one platform are left alone. */
export function missingEntries(packages: LockPackages): ReadonlyMap<string, LockEntry> {
  const missing = new Map<string, LockEntry>();
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const added = platformEntry(name, version, entry.dev === true);
      if (added !== undefined && !isResolved(packages, path, name)) {
        missing.set(`node_modules/${name}`, added);
      }
    }
  }
  return missing;
}

/** Whether a package at `path` finds `name`, as Node looks for it: beside itself, then further up. */
function isResolved(packages: LockPackages, path: string, name: string): boolean {
  for (let at = path; ; ) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true;
    if (at === '') return false;
    at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')));
  }
}

/** What npm would have written; the platform is read from the name, as these packages all have it there. */
function platformEntry(name: string, version: string, dev: boolean): LockEntry | undefined {
  const text = name.toLowerCase();
  const os = systems.find((system) => text.includes(system));
  const cpu = processors.find((processor) => text.includes(processor));
  if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+/.test(version)) return undefined;
  return {
    version,
    cpu: [cpu === 'armv7' ? 'arm' : cpu],
    ...(dev ? { dev: true } : {}),
    ...(text.includes('musl') ? { libc: ['musl'] } : {}),
    optional: true,
    os: [os],
  };
}

function main(): void {
  const file = join(import.meta.dirname, '../package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, LockEntry> };
  const missing = missingEntries(lock.packages);
  for (const [path, { version }] of missing) console.log(`${path} ${version}`);
  console.log(`${missing.size} entries missing`);
  if (missing.size === 0) return;
  if (process.argv.includes('--check')) {
    process.exitCode = 1;
    return;
  }
  const all = [...Object.entries(lock.packages), ...missing];
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`);
}

if (import.meta.main) main();
