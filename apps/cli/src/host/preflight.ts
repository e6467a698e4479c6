import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandError, type Terminal } from '../terminal.ts';

/** A program the host needs, and where Debian has it. */
export interface Requirement {
  readonly program: string;
  /** What to look for where it is no program on the path. */
  readonly file?: string;
  readonly debianPackage: string;
  readonly why: string;
}

export const dockerEngine: Requirement = {
  program: 'dockerd',
  debianPackage: 'docker.io',
  why: 'the Docker Engine runs the containers',
};

/** What the end-to-end tests drive, and what they drive it against. */
export const testPrograms: readonly Requirement[] = [
  { program: 'docker', debianPackage: 'docker.io', why: 'it is the client' },
  { program: 'busybox', debianPackage: 'busybox-static', why: 'test images are made of it' },
  { program: 'docker-registry', debianPackage: 'docker-registry', why: 'tests pull from it' },
  { program: 'docker-compose', debianPackage: 'docker-compose', why: 'tests deploy with it' },
  {
    program: 'docker for Python',
    file: '/usr/lib/python3/dist-packages/docker/client.py',
    debianPackage: 'python3-docker',
    why: 'it is a client',
  },
  { program: 'chromium', debianPackage: 'chromium', why: 'it shows the dashboard' },
];

export const networkTools: readonly Requirement[] = [
  { program: 'ip', debianPackage: 'iproute2', why: 'it plumbs networks' },
  { program: 'nft', debianPackage: 'nftables', why: 'it balances load' },
];

/** Without these a host works, but less well. */
export const recommendedTools: readonly Requirement[] = [
  { program: 'conntrack', debianPackage: 'conntrack', why: 'it ends flows of stopped tasks' },
];

/** Programs of root lie here even where a user's PATH does not have them. */
const rootPaths = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export function findProgram(program: string, path = process.env['PATH'] ?? ''): string | undefined {
  for (const directory of [...path.split(delimiter), ...rootPaths]) {
    const candidate = join(directory, program);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** Whether packages can be installed here without asking anybody. */
export function canInstall(osRelease: string, uid: number | undefined): boolean {
  const ids = /^(?:ID|ID_LIKE)=(.*)$/gm;
  const words = [...osRelease.matchAll(ids)].flatMap(([, value = '']) =>
    value.replaceAll('"', '').split(' '),
  );
  return uid === 0 && words.some((word) => word === 'debian' || word === 'ubuntu');
}

/** What to say of programs that are missing and cannot be installed: one sentence each. */
export function missingSentences(missing: readonly Requirement[]): readonly string[] {
  return missing.map(
    ({ program, debianPackage, why }) =>
      `${program} is missing (${why}): install ${debianPackage}, or what your system calls it`,
  );
}

/**
 * Sees to it that the programs are there, through apt where that is possible.
 * @throws CommandError that names what is missing.
 */
export async function ensurePrograms(
  required: readonly Requirement[],
  terminal: Terminal,
): Promise<void> {
  const absent = (): readonly Requirement[] =>
    required.filter(({ program, file }) =>
      file === undefined ? findProgram(program) === undefined : !existsSync(file),
    );
  const missing = absent();
  if (missing.length === 0) return;
  if (!canInstall(readOsRelease(), process.getuid?.()) || findProgram('apt-get') === undefined) {
    throw new CommandError(missingSentences(missing).join('\nshoal: '));
  }
  const packages = missing.map(({ debianPackage }) => debianPackage);
  terminal.say(`installing ${packages.join(', ')} with apt-get`);
  await aptGet(['update'], terminal);
  // With what is recommended: newer Debian has the docker command in a package of its own.
  await aptGet(['install', '--yes', ...packages], terminal);
  const still = absent();
  if (still.length > 0) throw new CommandError(missingSentences(still).join('\nshoal: '));
}

/** Sees to it that the programs are there where that is possible, and says what is missing where not. */
export async function offerPrograms(
  wanted: readonly Requirement[],
  terminal: Terminal,
): Promise<void> {
  try {
    await ensurePrograms(wanted, terminal);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    terminal.say(error.message);
  }
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

/** Lines of apt that tell of progress; the rest is noise. */
const tellingLine = /^(Get:|Unpacking|Setting up|E:)/;

async function aptGet(args: readonly string[], terminal: Terminal): Promise<void> {
  const child = spawn('apt-get', ['--quiet', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  let rest = '';
  const read = (chunk: string): void => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (tellingLine.test(line)) terminal.say(`  ${line}`);
  };
  child.stdout.setEncoding('utf8').on('data', read);
  child.stderr.setEncoding('utf8').on('data', read);
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) {
    throw new CommandError(`apt-get ${args[0]} ended with ${String(code)}; see what it says above`);
  }
}
