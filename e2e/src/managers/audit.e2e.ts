// Who changed what stands in files beside the log, on every manager, through crashes and snapshots.
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, join as joinSwarm } from './swarm.ts';
import { timeToWrite } from './writes.ts';

interface AuditRecord {
  readonly Index: number;
  readonly Actor: { readonly Name: string; readonly Client?: string };
  readonly Changes: readonly { readonly Name: string }[];
}

let fleet: Fleet;
let m1: Machine;
let m2: Machine;
let m3: Machine;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2', 'm3']);
  [m1, m2, m3] = fleet.machines as [Machine, Machine, Machine];
  // What is older than a few seconds is in no log any more.
  await m1.docker('swarm', 'init', '--snapshot-interval=50');
  await joinSwarm(m2, m1, 'manager');
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

async function recordsOf(machine: Machine): Promise<readonly AuditRecord[]> {
  const out = await machine.shoal('audit', '--json', '--limit=10000');
  return (JSON.parse(out) as { Records: readonly AuditRecord[] }).Records;
}

test('says who did what, and keeps to itself what may be secret', async () => {
  await m1.tryDocker(['secret', 'create', 'password', '-'], { stdin: 'correct horse' });
  const environment = '--env=TOKEN=battery';
  await m1.docker('service', 'create', '--detach', '--name=web', environment, 'whoami');
  await m2.docker('service', 'update', '--detach', '--replicas=2', '--env-add=TOKEN=staple', 'web');
  const shown = await m2.shoal('audit');
  expect(shown).toMatch(/m1 +docker swarm init: swarm created; /);
  expect(shown).toMatch(/of m1 +docker swarm join: node m2 created/);
  expect(shown).toMatch(/local socket of m1 +docker secret create: secret password created/);
  expect(shown).toMatch(/local socket of m1 +docker service create: service web created/);
  expect(shown).toMatch(
    /local socket of m2 +docker service update: service web: revision 1 → 2, .*TaskTemplate\.ContainerSpec\.Env, .*Mode\.Replicated\.Replicas 1 → 2/,
  );
  for (const machine of [m1, m2]) {
    const files = filesOf(machine).map((path) => readFileSync(path, 'utf8'));
    expect(files.join('')).not.toMatch(/horse|battery|staple/);
  }
  const [only] = (await m2.shoal('audit', 'password')).split('\n').slice(1);
  expect(only).toMatch(/secret password created/);
});

test('of all that was acknowledged nothing is missing, whatever crashes meanwhile', async () => {
  const done = new AbortController();
  const names: string[] = [];
  const writing = (async () => {
    for (let at = 0; !done.signal.aborted; at += 1) {
      await timeToWrite(m1, `s${at}`, 30_000);
      names.push(`s${at}`);
    }
  })();
  try {
    for (let round = 1; round <= 3; round += 1) {
      const before = names.length;
      await eventually('more is written', () => names.length > before + 150);
      await m1.killProcess('api');
      await timeToWrite(m1, `after-crash-${round}`, 30_000);
      names.push(`after-crash-${round}`);
    }
  } finally {
    done.abort();
    await writing;
  }
  for (const machine of [m1, m2]) {
    const created = (await recordsOf(machine)).filter(
      ({ Actor }) => Actor.Name === 'docker service create',
    );
    const noted = created.flatMap(({ Changes }) => Changes.map(({ Name }) => Name));
    expect(new Set(noted).size).toBe(noted.length);
    expect(names.filter((name) => !noted.includes(name))).toEqual([]);
    expect(await machine.shoal('audit', '--verify')).toMatch(/as they were written/);
  }
  // They tell it in the same words.
  const [first, second] = await Promise.all([recordsOf(m1), recordsOf(m2)]);
  const since = Math.max(first.at(-1)?.Index ?? 0, second.at(-1)?.Index ?? 0);
  const later = ({ Index }: AuditRecord): boolean => Index >= since;
  expect(first.filter(later)).toEqual(second.filter(later));
});

test('a manager that joins later has what the log still had, and names the rest', async () => {
  await joinSwarm(m3, m1, 'manager');
  await allReady(m1, 3);
  await timeToWrite(m3, 'from-m3', 15_000);
  const { stdout, stderr } = await m3.tryExec(['shoal', 'audit']);
  expect(stdout).toMatch(/local socket of m3 +docker service create: service from-m3 created/);
  const oldest = (await recordsOf(m3)).at(-1);
  if (oldest?.Actor.Name === 'docker swarm init') expect(stderr).toBe('');
  else expect(stderr).toMatch(/entries 1 to \d+ of the log are not kept here/);
});

test('a line that somebody changed by hand is found', async () => {
  const [path = ''] = filesOf(m2);
  const name = 'docker service update';
  const at = readFileSync(path).indexOf(name);
  expect(at).toBeGreaterThan(0);
  // In place: the manager goes on writing behind it.
  writeAt(path, at, 'docker service create');
  const changed = await m2.tryExec(['shoal', 'audit', '--verify']);
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(/audit-00000001\.jsonl, line \d+: the line, or one before it/);
  writeAt(path, at, name);
  expect(await m2.shoal('audit', '--verify')).toMatch(/as they were written/);
});

function filesOf(machine: Machine): readonly string[] {
  const root = machine.path('/var/lib/shoal/audit');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(root, name))
    .sort();
}

function writeAt(path: string, position: number, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, position);
  closeSync(file);
}
