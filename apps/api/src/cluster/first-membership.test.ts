import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Membership } from '@shoal/raft';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readFirstMembership, writeFirstMembership } from './first-membership.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shoal-first-'));
  await mkdir(join(dataDir, 'swarm'));
});
afterEach(() => rm(dataDir, { recursive: true }));

test('is that of one voter only', async () => {
  const one = { id: 7, nodeId: 'n', addr: '10.0.0.1:2377' } as Membership['voters'][number];
  const membership: Membership = { voters: [one], learners: [] };
  expect(await readFirstMembership(dataDir, 7)).toBeUndefined();
  await writeFirstMembership(dataDir, 7, membership);
  expect(await readFirstMembership(dataDir, 7)).toEqual(membership);
  expect(await readFirstMembership(dataDir, 8)).toBeUndefined();
});

test.each(['', '{"schema":2}', '{"schema":1,"voterId":7,"voters":[{"id":0}]}'])(
  'what is no such file counts as none: %s',
  async (text) => {
    await writeFile(join(dataDir, 'swarm', 'voter.json'), text);
    expect(await readFirstMembership(dataDir, 7)).toBeUndefined();
  },
);
