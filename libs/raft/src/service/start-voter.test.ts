import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { startVoter, type VoterExit } from './start-voter.ts';
import { eventually } from './testing/eventually.ts';
import { VoterHarness } from './testing/voter-harness.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let harness: VoterHarness | undefined;
afterEach(async () => {
  await harness?.close();
  harness = undefined;
});

test('tells how it ended, and its status while it runs', async () => {
  harness = await VoterHarness.start();
  const exits: VoterExit[] = [];
  harness.voter.onExit((exit) => exits.push(exit));
  expect(await harness.voter.status()).toMatchObject({ voterId: 7, leaderId: 7, storageError: '' });
  await harness.voter.stop();
  expect(exits).toEqual([{ kind: 'stopped' }]);
  await expect(harness.voter.status()).rejects.toThrow('has ended');
});

test('a damaged log is reported with file and offset, and not served', async () => {
  harness = await VoterHarness.start();
  const { dataDir } = harness.options;
  await harness.voter.stop();
  const segments = (await readdir(dataDir)).filter((name) => name.endsWith('.wal'));
  const path = join(dataDir, segments[0] ?? '');
  const bytes = await readFile(path);
  bytes.fill(0xff, 0, 16);
  await writeFile(path, bytes);
  await expect(startVoter(harness.options)).rejects.toThrow(`${path} is damaged at byte`);
});

test('an audit of before belongs to no new log, and to one that goes on', async () => {
  harness = await VoterHarness.start();
  const auditDir = join(harness.options.dataDir, 'audit');
  const told = async (directory: string): Promise<boolean> =>
    (await readdir(directory).catch((): string[] => [])).includes('note.txt');
  await mkdir(auditDir);
  await writeFile(join(auditDir, 'note.txt'), 'of another life');
  await harness.voter.stop();
  harness.voter = await startVoter({ ...harness.options, auditDir });
  expect(await told(auditDir)).toBe(true);
  await harness.voter.stop();
  harness.voter = await startVoter({
    ...harness.options,
    auditDir,
    dataDir: join(harness.options.dataDir, 'anew'),
  });
  expect([await told(auditDir), await told(`${auditDir}.before`)]).toEqual([false, true]);
});

test('a new key of the log is soon the only one that is needed, though nothing is written', async () => {
  harness = await VoterHarness.start();
  const { options } = harness;
  const [first, second] = [1, 2].map((number) => ({
    number,
    key: Buffer.alloc(32, number).toString('base64'),
  }));
  if (first === undefined || second === undefined) throw new Error('two keys');
  const needs = async (key: number): Promise<boolean> =>
    (await harness?.voter.status())?.oldestLogKey === key;
  await harness.voter.stop();
  harness.voter = await startVoter({ ...options, keys: [first] });
  await eventually(() => needs(1), 'the plain log is replaced');
  expect(await harness.voter.rotateKeys([first, second])).toEqual({ kind: 'done' });
  await eventually(() => needs(2), 'the first key is left');
  await harness.voter.stop();
  harness.voter = await startVoter({ ...options, keys: [second] });
  expect(await harness.voter.status()).toMatchObject({ leaderId: 7, oldestLogKey: 2 });
});

test('an address that is taken is said at the start', async () => {
  harness = await VoterHarness.start();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const options = { ...harness.options, dataDir: `${harness.options.dataDir}/other` };
  await expect(startVoter({ ...options, listen: `127.0.0.1:${port}` })).rejects.toThrow(
    /EADDRINUSE|address/i,
  );
  server.close();
});
