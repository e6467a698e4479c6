import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EngineImages } from './engine-images.ts';
import { ImageMemory } from './image-memory.ts';
import { rememberedMax } from './limits.ts';
import { classicImage } from './testing/fake-archive.ts';
import { FakeImageEngine } from './testing/fake-image-engine.ts';

const web = classicImage('web');
const other = classicImage('other');
const digest = `sha256:${'d'.repeat(64)}`;

let engine: FakeImageEngine;
let images: EngineImages;

beforeEach(async () => {
  engine = new FakeImageEngine([]);
  images = await engine.start();
});
afterEach(() => engine.close());

test('others hear of tags, ids, digests, and of digests that the engine forgot', async () => {
  const remembered = `sha256:${'e'.repeat(64)}`;
  engine.put(web, ['web:1', '<none>:<none>'], { digests: [digest] });
  await engine.notes.note('digests', remembered, web.id);
  expect(await images.list()).toEqual([digest, remembered, web.id, 'web:1'].sort());
});

describe('a container is made of', () => {
  beforeEach(() => engine.put(web, ['web:1'], { digests: [digest] }));

  test('the reference, where the engine knows it or there is no digest in it', async () => {
    expect(await images.nameFor('web:1')).toBe('web:1');
    expect(engine.calls).toEqual([]);
    expect(await images.nameFor(`web:1@${digest}`)).toBe(`web:1@${digest}`);
  });

  test('the tag, while that is on just the image that is meant', async () => {
    expect(await images.nameFor(`web:1@${web.id}`)).toBe('web:1');
    expect(await images.nameFor(`web:2@${web.id}`)).toBe(web.id);
    expect(await images.nameFor(`web@${web.id}`)).toBe(web.id);
  });

  test('the image that a digest stood for when it came', async () => {
    const remembered = `sha256:${'e'.repeat(64)}`;
    await engine.notes.note('digests', remembered, web.id);
    expect(await images.nameFor(`web:1@${remembered}`)).toBe('web:1');
  });

  test('or what workers said of it, which other hosts do not hear', async () => {
    const heard = `sha256:${'e'.repeat(64)}`;
    await engine.notes.note('heard', heard, web.id);
    expect(await images.nameFor(`web:1@${heard}`)).toBe('web:1');
    expect(await images.find(`web:1@${heard}`)).toMatchObject({ kind: 'failed' });
    expect(await images.list()).not.toContain(heard);
  });

  test('the reference, so that the engine says what is missing', async () => {
    expect(await images.nameFor(`web:1@${other.id}`)).toBe(`web:1@${other.id}`);
  });
});

test('while the engine tells of changes it is asked once, and again after a change', async () => {
  engine.put(web, ['web:1']);
  const end = new AbortController();
  let changes = 0;
  images.watch(end.signal, systemClock, () => {
    changes += 1;
  });
  await expect.poll(() => changes).toBe(1);
  const name = `web:1@${web.id}`;
  expect(await images.nameFor(name)).toBe('web:1');
  engine.calls.length = 0;
  expect(await images.nameFor(name)).toBe('web:1');
  expect(engine.calls).toEqual([]);
  engine.put(web, []);
  engine.put(other, ['web:1']);
  engine.event('push');
  engine.event('tag');
  await expect.poll(() => changes).toBe(2);
  expect(await images.nameFor(name)).toBe(web.id);
  end.abort();
  await expect.poll(() => engine.watchers).toBe(0);
});

describe('what is remembered', () => {
  let path: string;
  beforeEach(() => {
    path = join(mkdtempSync(join(tmpdir(), 'shoal-notes-')), 'agent', 'images.json');
  });
  afterEach(() => rmSync(join(path, '../..'), { recursive: true }));

  test('outlives the agent; the oldest goes when it is too much', async () => {
    const first = await ImageMemory.open(path, silentLogger);
    await first.note('tags', 'web:1', web.id);
    for (let at = 0; at < rememberedMax; at += 1)
      void first.note('digests', `sha256:${at}`, web.id);
    await first.note('digests', digest, web.id);
    const second = await ImageMemory.open(path, silentLogger);
    expect(second.tagged('web:1')).toBe(web.id);
    expect(second.imageOf(digest)).toBe(web.id);
    expect(second.imageOf('sha256:0')).toBeUndefined();
    expect(second.digestsOf(web.id)).toHaveLength(rememberedMax);
  });

  test('begins anew where the file cannot be read', async () => {
    const first = await ImageMemory.open(path, silentLogger);
    await first.note('digests', digest, web.id);
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -5));
    expect((await ImageMemory.open(path, silentLogger)).imageOf(digest)).toBeUndefined();
  });
});
