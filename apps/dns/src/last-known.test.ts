import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type HostTable, HostTables } from '@shoal/overlay';
import { silentLogger, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LastKnownWriter, lastKnownFile, readLastKnown } from './last-known.ts';
import { hostNetwork, localEndpoint, service, table, task } from './testing/records.ts';

let dataDir: string;
let path: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shoal-dns-'));
  path = lastKnownFile(dataDir);
});
afterEach(() => rmSync(dataDir, { recursive: true }));

async function write(tables: readonly HostTable[]): Promise<void> {
  const clock = systemClock;
  const writer = new LastKnownWriter({ path, clock, logger: silentLogger, tables: () => tables });
  writer.changed();
  await writer.close();
}

test('what was written is read again, in the form the agent tells it', async () => {
  const port = { protocol: 'tcp', targetPort: 80, publishedPort: 8080 } as const;
  const web = service('web', { aliases: ['a'], virtualIps: ['10.0.1.9'], ports: [port] });
  const local = [localEndpoint('t', '10.0.1.2', ['network-1'], ['192.0.2.1:53'])];
  const known = [
    table(hostNetwork(1, { local }), [
      task('t', '10.0.1.2', web),
      task('c', '10.0.1.3', undefined),
    ]),
    table(hostNetwork(2), []),
  ];
  await write(known);
  const tables = new HostTables();
  tables.fold(await readLastKnown(path, silentLogger), true);
  expect([...tables.networks.values()]).toEqual(known);
});

test('where there is nothing, nothing is known', async () => {
  expect(await readLastKnown(path, silentLogger)).toEqual([]);
});

test.each([
  '',
  '{',
  '[]',
  '{"version":2,"networks":[]}',
  '{"version":1,"networks":[{"network":{}}]}',
])('a file that says %s is of no use, and no harm', async (content) => {
  mkdirSync(dirname(path));
  writeFileSync(path, content);
  const said: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, event: string) => said.push(event) };
  expect(await readLastKnown(path, logger)).toEqual([]);
  expect(said).toEqual(['last_known_unusable']);
});

test('a disk that refuses is no reason to stop', async () => {
  writeFileSync(join(dataDir, 'dns'), 'a file in the way');
  await write([]);
  expect(await readLastKnown(path, silentLogger)).toEqual([]);
});
