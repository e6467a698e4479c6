import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  loadIdentity,
  type NodeRole,
  newSealKey,
  newUnlockKey,
  removeIdentity,
  setLock,
  writeIdentity,
} from '@shoal/pki';
import { fileSystem, openLogStorage, recordCipher } from '@shoal/raft';
import { logDirectory } from '@shoal/raft/backup';
import {
  type Instant,
  type LogIndex,
  silentLogger,
  systemClock,
  systemRandom,
  type Term,
} from '@shoal/runtime';
import { encodePayload } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { backup, restore } from './backup.ts';

let directory: string;
let dataDir: string;
let said: string[];
const fakeTerminal: Terminal = {
  say: (line) => void said.push(line),
  print: () => undefined,
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-backup-'));
  dataDir = join(directory, 'data');
  mkdirSync(dataDir);
  process.env['SHOAL_RUN_DIR'] = join(directory, 'keys');
  said = [];
});
afterEach(async () => {
  // With the unlock keys that lie in memory.
  await removeIdentity(dataDir);
  delete process.env['SHOAL_RUN_DIR'];
  rmSync(directory, { recursive: true });
});

const path = (name: string): string => join(directory, name);
/** No api answers there, as when it is down. */
const save = (file = path('backup.tar.gz')) =>
  backup({ dataDir, socket: path('none.sock'), file, version: '0.1.0' }, fakeTerminal);
const load = (to: string, file = path('backup.tar.gz')) =>
  restore({ dataDir: path(to), runDir: path('run'), file }, fakeTerminal);

async function makeNode(role: NodeRole): Promise<Identity> {
  const [now, random] = [systemClock.now(), systemRandom];
  const ca = await createClusterCa(now, random);
  const { key, request } = await createNodeKey();
  const subject = { nodeId: 'n1', role, clusterId: 'c1' } as const;
  const issued = await issueCertificate({ ca, request, subject, now, random });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  const identity: Identity = {
    ...subject,
    voterId: 1,
    advertiseAddr: '10.0.0.1',
    ...{ listenAddr: '', logAddr: '', dispatcherAddr: '', managers: [] },
    caCertificate: ca.certificate,
    certificate: issued.certificate,
    key,
    sealKey: newSealKey(random),
    logKeys: [{ number: 1, key: newSealKey(random) }],
  };
  await writeIdentity(dataDir, identity);
  return identity;
}

/** A manager whose log has so many entries of content. */
async function makeManager(entries = 3): Promise<Identity> {
  const identity = await makeNode('manager');
  const log = await openLogStorage({
    directory: logDirectory(dataDir),
    ...{ disk: fileSystem, random: systemRandom, logger: silentLogger },
    cipher: recordCipher(identity.logKeys, systemRandom),
  });
  for (let at = 1; at <= entries; at += 1) {
    const [index, term] = [at as LogIndex, 1 as Term];
    const hardState = { term, vote: 1, commit: index } as never;
    const data = encodePayload(Date.UTC(2026, 0, at) as Instant, []);
    await log.store({ hardState, entries: [{ index, term, kind: 'normal', data }] });
  }
  await log.close();
  return identity;
}

test('what was backed up is what is restored, and both say what it is', async () => {
  const identity = await makeManager();
  await save();
  expect(statSync(path('backup.tar.gz')).mode & 0o777).toBe(0o600);
  expect(said).toEqual([
    expect.stringMatching(/^newer changes may be missing: no api answers at /),
    'swarm c1 at index 3 of 2026-01-03T00:00:00.000Z: 0 nodes, 0 services, 0 tasks, 0 networks, 0 secrets, 0 configs; the copy was read whole',
    'who can read it has the keys and secrets of the swarm',
  ]);
  expect(readdirSync(dataDir)).toEqual(['swarm']);
  said = [];
  await load('new');
  expect(await loadIdentity(path('new'))).toEqual({ kind: 'complete', identity });
  expect(readdirSync(path('new'))).toEqual(['swarm']);
  expect(said.join('\n')).toContain(`restored to ${path('new')}`);
  expect(said.join('\n')).toContain('docker swarm init --force-new-cluster');
  expect(said.join('\n')).not.toContain('docker swarm unlock');
});

test('a folder of backups keeps the newest of this swarm, and everything else', async () => {
  await makeManager();
  const folder = path('backups');
  mkdirSync(folder);
  const others = [
    'shoal-c1-20200101T000000Z.tar.gz.part',
    'shoal-c2-20200101T000000Z.tar.gz',
    'shoal-c10-20200101T000000Z.tar.gz',
  ];
  const old = [1, 2, 3].map((day) => `shoal-c1-2020010${day}T000000Z.tar.gz`);
  for (const name of [...others, ...old]) writeFileSync(join(folder, name), '');
  const keep = (count: string, file = folder) =>
    backup(
      { dataDir, socket: path('none.sock'), file, keep: count, version: '0.1.0' },
      fakeTerminal,
    );
  await keep('3');
  const left = readdirSync(folder).filter((name) => !others.includes(name));
  expect(left.sort().slice(0, 2)).toEqual(old.slice(1));
  expect(left).toHaveLength(3);
  expect(left[2]).toMatch(/^shoal-c1-\d{8}T\d{6}Z\.tar\.gz$/);
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(others));
  expect(said.at(-1)).toBe(`removed ${join(folder, old[0] ?? '')}: the newest 3 are kept`);
  await load('restored', join(folder, left[2] ?? ''));

  for (const count of ['0', '-1', '1.5', 'all', '10001'])
    await expect(keep(count)).rejects.toThrow(
      `--keep is a whole number from 1 to 10000, not ${count}`,
    );
  await expect(keep('3', path('nowhere'))).rejects.toThrow('is none: make it first');
});

test('a backup that fails removes none of those before', async () => {
  await makeManager();
  const folder = path('backups');
  mkdirSync(folder);
  const old = ['shoal-c1-20200101T000000Z.tar.gz', 'shoal-c1-20200102T000000Z.tar.gz'];
  for (const name of old) writeFileSync(join(folder, name), '');
  const log = logDirectory(dataDir);
  for (const name of readdirSync(log, { recursive: true, encoding: 'utf8' }))
    if (statSync(join(log, name)).isFile()) writeFileSync(join(log, name), 'damaged');
  await expect(
    backup(
      { dataDir, socket: path('none.sock'), file: folder, keep: '1', version: '0.1.0' },
      fakeTerminal,
    ),
  ).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(old);
});

test('keys that are locked stay so, and whoever restores is told', async () => {
  await makeManager();
  const unlockKey = newUnlockKey(systemRandom);
  await setLock(dataDir, { version: 1, unlockKey });
  await save();
  expect(said.at(-1)).toMatch(/it opens with the unlock key/);
  await load('new');
  expect((await loadIdentity(path('new'))).kind).toBe('locked');
  expect(said.at(-2)?.trim()).toBe('docker swarm unlock');
  const bytes = spawnSync('tar', ['-xzOf', path('backup.tar.gz')]).stdout;
  expect(bytes.includes(unlockKey)).toBe(false);
});

describe('refused, with nothing changed', () => {
  test.each([
    ['a host of no swarm', () => Promise.resolve(), /belongs to no swarm/],
    ['a worker', () => makeNode('worker'), /this host is a worker/],
    [
      'a manager whose keys are locked since its start',
      async () => {
        await makeManager();
        await setLock(dataDir, { version: 1, unlockKey: newUnlockKey(systemRandom) });
        // What it was unlocked with is kept for the folder that it was in.
        renameSync(dataDir, path('moved'));
        await removeIdentity(dataDir);
        dataDir = path('moved');
      },
      /docker swarm unlock first/,
    ],
    [
      'a log that is damaged',
      async () => {
        await makeManager();
        const [segment = ''] = readdirSync(logDirectory(dataDir)).filter((name) =>
          name.endsWith('.wal'),
        );
        writeFileSync(join(logDirectory(dataDir), segment), 'nonsense');
      },
      /no whole copy was to be had: .* is damaged at byte 0/,
    ],
  ])(
    '%s',
    async (_what, make, complaint) => {
      await make();
      const before = readdirSync(dataDir);
      await expect(save()).rejects.toThrow(complaint);
      expect(existsSync(path('backup.tar.gz'))).toBe(false);
      expect(readdirSync(dataDir)).toEqual(before);
      expect(readdirSync(dataDir).filter((name) => name.startsWith('.'))).toEqual([]);
    },
    30_000,
  );

  test('a folder of nobody, which is not made', async () => {
    const request = { dataDir: path('nothing'), socket: path('none.sock'), version: '0.1.0' };
    await expect(backup({ ...request, file: path('b') }, fakeTerminal)).rejects.toThrow(
      /belongs to no swarm/,
    );
    expect(readdirSync(directory)).toEqual(['data']);
    expect(said).toEqual([]);
  });

  test('a file that is there', async () => {
    await makeManager();
    writeFileSync(path('backup.tar.gz'), 'mine');
    await expect(save()).rejects.toThrow(/is there already/);
    expect(readFileSync(path('backup.tar.gz'), 'utf8')).toBe('mine');
  });

  test('a folder that is not there', async () => {
    await makeManager();
    await expect(save(path('missing/file'))).rejects.toThrow(/ENOENT/);
  });

  test.each([
    ['half of a backup', (file: string) => truncateSync(file, 1_000), /cannot be read: tar: /],
    ['something else', (file: string) => writeFileSync(file, 'text'), /cannot be read: tar: /],
    [
      'a log with a byte that is wrong',
      (file: string) => {
        const inside = path('inside');
        mkdirSync(inside);
        spawnSync('tar', ['-C', inside, '-xzf', file]);
        const log = logDirectory(inside);
        const [segment = ''] = readdirSync(log).filter((name) => name.endsWith('.wal'));
        const bytes = readFileSync(join(log, segment));
        bytes[70] = (bytes[70] ?? 0) ^ 1;
        writeFileSync(join(log, segment), bytes);
        spawnSync('tar', ['-C', inside, '-czf', file, 'backup.json', 'swarm']);
      },
      /is damaged/,
    ],
    [
      'links in place of files',
      (file: string) => {
        const inside = path('inside');
        mkdirSync(inside);
        spawnSync('tar', ['-C', inside, '-xzf', file]);
        rmSync(join(inside, 'swarm/ca.crt'));
        symlinkSync('/etc/hostname', join(inside, 'swarm/ca.crt'));
        spawnSync('tar', ['-C', inside, '-czf', file, 'backup.json', 'swarm']);
      },
      /ca\.crt in it is no plain file/,
    ],
  ])('%s', async (_what, spoil, complaint) => {
    await makeManager();
    await save();
    chmodSync(path('backup.tar.gz'), 0o600);
    spoil(path('backup.tar.gz'));
    await expect(load('new')).rejects.toThrow(complaint);
    expect(readdirSync(path('new'))).toEqual([]);
  });

  test('a host that is in a swarm, and one that still has a log', async () => {
    await makeManager();
    await save();
    await expect(load('data')).rejects.toThrow(/belongs to a swarm already/);
    mkdirSync(logDirectory(path('other')), { recursive: true });
    await expect(load('other')).rejects.toThrow(/holds a log/);
  });
});
