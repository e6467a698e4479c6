import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArchiveEntry, archive, file } from './archive.ts';
import { type MachineOutcome, readConsole } from './console.ts';
import { moduleEntries } from './modules.ts';
import { emptyFolders, ensurePackages, type MachineSuite, suiteEntries } from './root.ts';

/** Longest time from the boot to the end of the suite, milliseconds; emulated, about 20 times slower. */
export const machineMsMax = 40 * 60_000;
const memoryMegabytes = 3_072;

/** Kernel and archive stay for the next run. */
const cache = join(tmpdir(), 'shoal-ipvs');
/** All that the machine has said in the last run, for who waits for it. */
const consoleFile = join(cache, 'console.log');

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

/** Boots Debian's kernel in software emulation and runs a suite in it. */
export async function runMachine(
  suite: MachineSuite,
  log: (line: string) => void,
): Promise<MachineOutcome> {
  ensurePackages(suite, { 'qemu-system-x86_64': 'qemu-system-x86' }, log);
  const { kernel, modules } = await ensureKernel(log);
  const initrd = join(cache, `initrd-${process.pid}`);
  const begun = file('init', Buffer.from(init), true);
  const entries = [...(await suiteEntries(suite)), begun, ...modules];
  writeFileSync(initrd, archive(entries, emptyFolders));
  try {
    return await boot(kernel, initrd, log);
  } finally {
    rmSync(initrd, { force: true });
  }
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

/** A busy machine emulates a timer so slowly that the kernel would take it for broken. */
const kernelOptions =
  'console=ttyS0 quiet loglevel=3 panic=1 mitigations=off no_timer_check nowatchdog';

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
  return readConsole(child, consoleFile, log);
}
