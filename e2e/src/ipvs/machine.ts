import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type ArchiveEntry, archive, file, link } from './archive.ts';
import { moduleEntries } from './modules.ts';

/** Longest time from the boot to the end of the suite, milliseconds; emulated, about 20 times slower. */
export const machineMsMax = 40 * 60_000;
const memoryMegabytes = 3_072;

const root = join(import.meta.dirname, '../../..');
/** Kernel and archive stay for the next run. */
const cache = join(tmpdir(), 'shoal-ipvs');

/** Debian's packages that the machine is made of and run by. */
const packages: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
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
  ...['ip', 'bridge', 'nft', 'ipvsadm', 'conntrack', 'nsenter', 'dash', 'modprobe'],
  ...['wg', 'unshare', 'tcpdump', 'socat'],
];
const applets = [
  ...['cat', 'echo', 'mount', 'mkdir', 'poweroff', 'ping', 'sleep', 'modprobe', 'dmesg'],
  'rm',
];

const init = `#!/bin/dash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for each in ip_vs ip_vs_rr ip_vs_lc ip_vs_sh nf_conntrack nf_nat nf_tables nft_chain_nat nft_ct nft_nat \\
  nft_numgen nft_hash nft_fib_inet nft_masq nf_conntrack_netlink veth bridge br_netfilter vxlan \
  wireguard sctp; do
  modprobe "$each" || echo "no module $each"
done
export PEER_ANSWER_MS=15000 ONLY_CASE='${(process.env['ONLY_CASE'] ?? '').replaceAll("'", '')}'
node /suite/guest.mjs
poweroff -f
`;

/** What runs in the machine: programs by name, each bundled to `/suite/<name>.mjs`. `guest` is begun. */
export interface MachineSuite {
  readonly programs: Readonly<Record<string, string>> & { readonly guest: string };
}

export interface CaseResult {
  readonly name: string;
  readonly ms: number;
  readonly failure?: string;
}

export interface MachineOutcome {
  /** What the probe chose in the machine. */
  readonly backend: string;
  readonly results: readonly CaseResult[];
  /** Why the suite did not end; undefined when it did. */
  readonly broken: string | undefined;
  /** Last lines of the console. */
  readonly console: string;
}

/** Boots Debian's kernel in software emulation and runs a suite in it. */
export async function runMachine(
  suite: MachineSuite,
  log: (line: string) => void,
): Promise<MachineOutcome> {
  ensurePackages(log);
  const { kernel, modules } = await ensureKernel(log);
  const initrd = join(cache, `initrd-${process.pid}`);
  writeFileSync(
    initrd,
    archive(
      [...(await suiteEntries(suite)), ...modules],
      ['proc', 'sys', 'dev', 'tmp', 'run/netns', 'var/run'],
    ),
  );
  try {
    return await boot(kernel, initrd, log);
  } finally {
    rmSync(initrd, { force: true });
  }
}

function ensurePackages(log: (line: string) => void): void {
  const missing = Object.entries(packages).filter(([program]) => find(program) === undefined);
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

function find(program: string): string | undefined {
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** Downloads the kernel's package once and unpacks it; installs nothing. */
async function ensureKernel(
  log: (line: string) => void,
): Promise<{ readonly kernel: string; readonly modules: readonly ArchiveEntry[] }> {
  const unpacked = join(cache, 'kernel');
  if (!existsSync(join(unpacked, 'done'))) {
    mkdirSync(unpacked, { recursive: true });
    const depends = execFileSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], {
      encoding: 'utf8',
    });
    const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1] ?? 'linux-image-cloud-amd64';
    log(`downloading ${name}`);
    execFileSync('apt-get', ['download', name], { cwd: unpacked, stdio: 'ignore' });
    const downloaded = readdirSync(unpacked).find((each) => each.endsWith('.deb')) ?? '';
    execFileSync('dpkg-deb', ['-x', join(unpacked, downloaded), unpacked]);
    writeFileSync(join(unpacked, 'done'), name);
  }
  const release = readdirSync(join(unpacked, 'lib/modules'))[0] ?? '';
  return {
    kernel: join(unpacked, 'boot', `vmlinuz-${release}`),
    modules: moduleEntries(unpacked, release),
  };
}

/** Node, the suite, the kernel's tools and the libraries of them all. */
async function suiteEntries(suite: MachineSuite): Promise<readonly ArchiveEntry[]> {
  const entries = new Map<string, ArchiveEntry>();
  const add = (entry: ArchiveEntry): void => void entries.set(entry.path, entry);
  const addProgram = (source: string, path: string): void => {
    add(file(path, readFileSync(source), true));
    for (const library of librariesOf(source)) {
      add(file(library.slice(1), readFileSync(library), true));
    }
  };
  addProgram(realpathSync(process.execPath), 'usr/bin/node');
  for (const program of programs) {
    const source = find(program);
    if (source !== undefined) addProgram(realpathSync(source), `usr/sbin/${program}`);
  }
  addProgram(realpathSync(find('iptables') ?? ''), 'usr/sbin/xtables-nft-multi');
  for (const name of ['iptables', 'ip6tables']) add(link(`usr/sbin/${name}`, 'xtables-nft-multi'));
  const extensions = '/usr/lib/x86_64-linux-gnu/xtables';
  for (const name of ['libxt_conntrack.so', 'libxt_standard.so']) {
    add(file(join(extensions, name).slice(1), readFileSync(join(extensions, name)), true));
  }
  addProgram(find('busybox') ?? '', 'bin/busybox');
  for (const applet of applets) add(link(`bin/${applet}`, 'busybox'));
  for (const name of ['bin/sh', 'bin/dash']) add(link(name, '/usr/sbin/dash'));
  add(link('sbin/modprobe', '/bin/busybox'));
  for (const name of ['protocols', 'services']) {
    if (existsSync(`/etc/${name}`)) add(file(`etc/${name}`, readFileSync(`/etc/${name}`)));
  }
  add(file('etc/passwd', Buffer.from('root:x:0:0:root:/root:/bin/sh\n')));
  add(file('etc/group', Buffer.from('root:x:0:\n')));
  add(file('init', Buffer.from(init), true));
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

/** A busy machine emulates a timer so slowly that the kernel would take it for broken. */
const kernelOptions =
  'console=ttyS0 quiet loglevel=3 panic=1 mitigations=off no_timer_check nowatchdog';
const consoleLinesKept = 60;

function boot(
  kernel: string,
  initrd: string,
  log: (line: string) => void,
): Promise<MachineOutcome> {
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2'],
      ...['-m', String(memoryMegabytes), '-nographic', '-no-reboot', '-nic', 'none'],
      ...['-kernel', kernel, '-initrd', initrd],
      ...['-append', kernelOptions],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: machineMsMax, killSignal: 'SIGKILL' },
  );
  const results: CaseResult[] = [];
  const lines: string[] = [];
  let [backend, ended, rest] = ['', false, ''];
  let broken: string | undefined;
  const read = (line: string): void => {
    lines.push(line);

    if (lines.length > consoleLinesKept) lines.shift();
    const at = line.indexOf('@@ {');
    if (at < 0) return;
    const fact = JSON.parse(line.slice(at + 3)) as {
      readonly kind: string;
    } & Partial<CaseResult> & {
        readonly backend?: string;
        readonly reason?: string;
        readonly what?: string;
      };
    if (fact.kind === 'chosen') backend = fact.backend ?? '';
    if (fact.kind === 'step') log(fact.what ?? '');
    if (fact.kind === 'broken') broken = fact.reason;
    if (fact.kind === 'end') ended = true;
    if (fact.kind !== 'case') return;
    const { name = '', ms = 0, failure } = fact;
    results.push({ name, ms, ...(failure === undefined ? {} : { failure }) });
    const outcome = failure === undefined ? 'passed' : 'failed';
    log([`${outcome} ${name} (${ms} ms)`, failure?.split('\n')[0] ?? ''].join(' ').trimEnd());
  };
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString().replaceAll('\r', '')).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) read(line);
  });
  child.stderr.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      if (!ended) broken ??= 'the machine ended before the suite did';
      resolve({ backend, results, broken, console: lines.join('\n') });
    });
  });
}
