import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const waiting = { timeout: 10_000, interval: 10 };

/** What `npm ci` leaves, once it may: one file, the Node.js, a package of one of the parts. */
const fakeNpm = `#!/bin/sh
echo "$PWD" >>"$FAKE_NPM_LOG"
while [ ! -e "$FAKE_NPM_GO" ]; do sleep 0.02; done
[ ! -e "$FAKE_NPM_FAILS" ] || exit 1
mkdir -p node_modules/.bin apps/cli/node_modules/nested
cp package-lock.json node_modules/installed
ln -s "$FAKE_NODE" node_modules/.bin/node
`;

let home: string;
let root: string;
let going: ChildProcess[];
const at = (...path: string[]): string => join(root, ...path);

function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** A working copy that is built, with the real script and nothing installed. */
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'shoal-launcher-'));
  root = join(home, 'copy');
  going = [];
  mkdirSync(root);
  cpSync(join(import.meta.dirname, '../../../shoal'), at('shoal'));
  put(at('package.json'), '{}');
  put(at('package-lock.json'), 'first');
  put(at('apps/cli/package.json'), '{}');
  put(at('libs/state/package.json'), '{}');
  put(at('apps/cli/dist/main.mjs'), 'console.log(process.argv.slice(2).join(" "));');
  put(at('apps/cli/dist/.built'), '');
  const later = Date.now() / 1000 + 3_600;
  utimesSync(at('apps/cli/dist/.built'), later, later);
  put(join(home, 'bin/npm'), fakeNpm);
  chmodSync(join(home, 'bin/npm'), 0o755);
});
afterEach(() => {
  for (const child of going) child.kill('SIGKILL');
  rmSync(home, { recursive: true });
});

interface Call {
  readonly child: ChildProcess;
  readonly said: Promise<string>;
  readonly complained: Promise<string>;
  readonly code: Promise<number | null>;
}

function shoal(...flags: string[]): Call {
  const child = spawn(at('shoal'), flags, {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${join(home, 'bin')}:${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
      FAKE_NPM_LOG: join(home, 'npm.log'),
      FAKE_NPM_GO: join(home, 'go'),
      FAKE_NPM_FAILS: join(home, 'fails'),
      FAKE_NODE: process.execPath,
    },
  });
  going.push(child);
  return {
    child,
    said: text(child.stdout ?? never()),
    complained: text(child.stderr ?? never()),
    code: new Promise((resolve) => child.once('close', resolve)),
  };
}

function never(): never {
  throw new Error('a stream that was asked for is not there');
}

const installs = (): readonly string[] =>
  existsSync(join(home, 'npm.log'))
    ? readFileSync(join(home, 'npm.log'), 'utf8').trim().split('\n')
    : [];
const mayInstall = (): void => put(join(home, 'go'), '');
const leftovers = (): readonly string[] =>
  readdirSync(root).filter((name) => name.startsWith('.next_modules'));

test('two calls at once on a fresh machine install once', async () => {
  const calls = [shoal('up'), shoal('doctor', '-v')];
  await vi.waitFor(() => expect(installs()).toHaveLength(1), waiting);
  mayInstall();
  expect(await Promise.all(calls.map(({ said }) => said))).toEqual(['up\n', 'doctor -v\n']);
  expect(installs()).toHaveLength(1);
  expect(installs()[0]).toMatch(/\.next_modules\./);
  expect(leftovers()).toEqual([]);
});

test.each([
  ['status', 0],
  ['down', 0],
  ['net', 0],
  ['doctor', 0],
  ['rollback', 0],
  ['up', 1],
])('%s waits for %i installations while the sources change', async (command, count) => {
  mayInstall();
  await shoal('up').code;
  put(at('package-lock.json'), 'second');
  expect(await shoal(command).said).toBe(`${command}\n`);
  expect(installs()).toHaveLength(1 + count);
});

test('new packages change places with the old ones, which are there until then', async () => {
  mayInstall();
  await shoal('first').code;
  put(at('package-lock.json'), 'second');
  put(at('libs/state/node_modules/stale/index.js'), '');
  put(at('libs/state/node_modules/.vite/kept'), '');
  rmSync(join(home, 'go'));
  const call = shoal('second');
  await vi.waitFor(() => expect(installs()).toHaveLength(2), waiting);
  expect(readFileSync(at('node_modules/installed'), 'utf8')).toBe('first');
  expect(existsSync(at('node_modules/.bin/node'))).toBe(true);
  mayInstall();
  expect(await call.said).toBe('second\n');
  expect(readFileSync(at('node_modules/installed'), 'utf8')).toBe('second');
  expect(existsSync(at('apps/cli/node_modules/nested'))).toBe(true);
  expect(readdirSync(at('libs/state/node_modules'))).toEqual(['.vite']);
  expect(leftovers()).toEqual([]);
  expect(await shoal('third').said).toBe('third\n');
  expect(installs()).toHaveLength(2);
});

test('an installation that fails or is broken off leaves what was there', async () => {
  mayInstall();
  await shoal('first').code;
  put(at('package-lock.json'), 'second');
  put(join(home, 'fails'), '');
  const failed = shoal('second');
  expect(await failed.complained).toContain('npm ci failed; what it says is above');
  expect(await failed.code).toBe(1);
  rmSync(join(home, 'fails'));
  rmSync(join(home, 'go'));
  const stopped = shoal('third');
  await vi.waitFor(() => expect(installs()).toHaveLength(3), waiting);
  stopped.child.kill('SIGTERM');
  mayInstall();
  expect(await stopped.code).toBe(130);
  expect(readFileSync(at('node_modules/installed'), 'utf8')).toBe('first');
  expect(leftovers()).toEqual([]);
});
