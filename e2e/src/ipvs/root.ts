import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type ArchiveEntry, file, link } from './archive.ts';

const root = join(import.meta.dirname, '../../..');

/** Debian's packages that the machine is made of and run by. */
const packages: Readonly<Record<string, string>> = {
  ipvsadm: 'ipvsadm',
  conntrack: 'conntrack',
  nft: 'nftables',
  iptables: 'iptables',
  ip: 'iproute2',
  busybox: 'busybox-static',
  wg: 'wireguard-tools',
  tcpdump: 'tcpdump',
  socat: 'socat',
};

/** Programs in the machine beside Node. */
const programs = [
  ...['ip', 'bridge', 'nft', 'ipvsadm', 'conntrack', 'nsenter', 'dash', 'grep'],
  ...['wg', 'unshare', 'tcpdump', 'socat'],
];
const applets = [
  ...['cat', 'echo', 'mount', 'mkdir', 'poweroff', 'ping', 'sleep', 'modprobe', 'dmesg'],
  'rm',
];

/** What runs in the machine: programs by name, each bundled to `/suite/<name>.mjs`. `guest` is begun. */
export interface MachineSuite {
  readonly programs: Readonly<Record<string, string>> & { readonly guest: string };
  /** What it needs beside that of every machine. */
  readonly extra?: MachineExtra | undefined;
}

export interface MachineExtra {
  /** Debian's packages, each by a program of it. */
  readonly packages: Readonly<Record<string, string>>;
  /** Programs of this computer that the machine has too. */
  readonly programs: readonly string[];
  readonly applets: readonly string[];
  /** Made once the packages are there. */
  readonly files: () => readonly ArchiveEntry[];
}

/** Folders that there must be. */
export const emptyFolders = ['proc', 'sys', 'dev', 'tmp', 'run/netns', 'var/run'];

/** Sees to it that this computer has what the suite is made of, and `further` packages. */
export function ensurePackages(
  suite: MachineSuite,
  further: Readonly<Record<string, string>>,
  log: (line: string) => void,
): void {
  const wanted = { ...packages, ...suite.extra?.packages, ...further };
  const missing = Object.entries(wanted).filter(([program]) => find(program) === undefined);
  if (missing.length === 0) return;
  const names = missing.map(([, name]) => name);
  log(`installing ${names.join(', ')} with apt-get`);
  const options = {
    stdio: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  } as const;
  execFileSync('apt-get', ['update'], options);
  execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...names], options);
}

const folders = ['/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Path of a program of this computer. */
export function find(program: string): string | undefined {
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Node, the suite, the kernel's tools and the libraries of them all. */
export async function suiteEntries(suite: MachineSuite): Promise<readonly ArchiveEntry[]> {
  const entries = new Map<string, ArchiveEntry>();
  const add = (entry: ArchiveEntry): void => void entries.set(entry.path, entry);
  const addProgram = (source: string, path: string): void => {
    add(file(path, readFileSync(source), true));
    for (const library of librariesOf(source)) {
      add(file(library.slice(1), readFileSync(library), true));
    }
  };
  addProgram(realpathSync(process.execPath), 'usr/bin/node');
  for (const program of [...programs, ...(suite.extra?.programs ?? [])]) {
    const source = find(program);
    if (source !== undefined) addProgram(realpathSync(source), `usr/sbin/${program}`);
  }
  addProgram(realpathSync(find('iptables') ?? ''), 'usr/sbin/xtables-nft-multi');
  for (const name of ['iptables', 'ip6tables']) add(link(`usr/sbin/${name}`, 'xtables-nft-multi'));
  const extensions = '/usr/lib/x86_64-linux-gnu/xtables';
  for (const name of readdirSync(extensions)) {
    add(file(join(extensions, name).slice(1), readFileSync(join(extensions, name)), true));
  }
  addProgram(find('busybox') ?? '', 'bin/busybox');
  for (const applet of [...applets, ...(suite.extra?.applets ?? [])])
    add(link(`bin/${applet}`, 'busybox'));
  for (const name of ['bin/sh', 'bin/dash']) add(link(name, '/usr/sbin/dash'));
  // Busybox's, for the kernel too: that of kmod reads lists in binary form, which `moduleEntries` does not make.
  add(link('sbin/modprobe', '/bin/busybox'));
  for (const name of ['protocols', 'services']) {
    if (existsSync(`/etc/${name}`)) add(file(`etc/${name}`, readFileSync(`/etc/${name}`)));
  }
  add(file('etc/passwd', Buffer.from('root:x:0:0:root:/root:/bin/sh\n')));
  add(file('etc/group', Buffer.from('root:x:0:\n')));
  for (const entry of suite.extra?.files() ?? []) add(entry);
  for (const [name, content] of await bundles(suite)) add(file(`suite/${name}`, content));
  return [...entries.values()];
}

function librariesOf(program: string): readonly string[] {
  try {
    const text = execFileSync('ldd', [program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return [...text.matchAll(/(\/\S+\.so\S*)/g)].map(([, path = '']) => path);
  } catch {
    // Static.
    return [];
  }
}

async function bundles(suite: MachineSuite): Promise<readonly (readonly [string, Buffer])[]> {
  const banner =
    "import { createRequire as shoalCreateRequire } from 'node:module'; const require = shoalCreateRequire(import.meta.url);";
  const { outputFiles } = await build({
    entryPoints: Object.fromEntries(
      Object.entries(suite.programs).map(([name, path]) => [name, join(root, path)]),
    ),
    outdir: '/suite',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    minifySyntax: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    conditions: ['@shoal/source'],
    banner: { js: banner },
    write: false,
    logLevel: 'warning',
  });
  return outputFiles.map(({ path, contents }) => [
    path.replace('/suite/', ''),
    Buffer.from(contents),
  ]);
}
