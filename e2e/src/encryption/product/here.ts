import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type ArchiveEntry, file, isLink } from '../../ipvs/archive.ts';
import { type MachineOutcome, readConsole } from '../../ipvs/console.ts';
import { emptyFolders, ensurePackages, type MachineSuite, suiteEntries } from '../../ipvs/root.ts';

/** Longest time of the suite, milliseconds. */
export const hereMsMax = 15 * 60_000;
const userspace = 'wireguard-go';

/** All that a machine would have at its boot, in namespaces of its own: it goes with the first process. */
const script = `
mount --bind . . && cd "$PWD"
mount -t proc proc proc; mount -t sysfs sys sys; mount --rbind /dev dev
for each in run tmp; do mount -t tmpfs none $each; done
mkdir -p run/netns
mount --move . / && exec chroot . /usr/bin/node /suite/guest.mjs`;

/**
 * Runs a suite on this computer's kernel, with a root of its own. What kernels may lack of WireGuard is done
 * by its userspace implementation.
 */
export async function runHere(
  suite: MachineSuite,
  log: (line: string) => void,
): Promise<MachineOutcome> {
  ensurePackages(suite, { [userspace]: userspace }, log);
  const programs = [...(suite.extra?.programs ?? []), userspace];
  const extra = suite.extra === undefined ? undefined : { ...suite.extra, programs };
  const root = mkdtempSync(join(tmpdir(), 'shoal-here-'));
  try {
    const ip = readFileSync(join(import.meta.dirname, 'userspace-ip.sh'));
    const entries = await suiteEntries({ ...suite, extra });
    lay(root, [...entries, file('suite/userspace-ip.sh', ip, true)]);
    return await readConsole(enter(root), join(tmpdir(), 'shoal-here.log'), log);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function lay(root: string, entries: readonly ArchiveEntry[]): void {
  for (const folder of emptyFolders) mkdirSync(join(root, folder), { recursive: true });
  for (const entry of entries) {
    const path = join(root, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (isLink(entry)) symlinkSync(entry.content.toString(), path);
    else writeFileSync(path, entry.content, { mode: entry.mode & 0o777 });
  }
}

function enter(root: string) {
  const spaces = ['--mount', '--net', '--pid', '--uts', '--ipc', '--propagation', 'private'];
  return spawn('unshare', [...spaces, '--fork', '--kill-child', 'sh', '-c', script], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: hereMsMax,
    killSignal: 'SIGKILL',
    env: {
      PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin',
      ONLY_CASE: process.env['ONLY_CASE'] ?? '',
    },
  });
}
