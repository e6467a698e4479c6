import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ArchiveCheck, WrongImageError } from './archive-check.ts';
import {
  archiveOf,
  classicImage,
  type FakeEntry,
  type FakeImage,
  listedImage,
  sha256,
} from './testing/fake-archive.ts';

/** What came through, and how it ended. */
async function pass(
  id: string,
  archive: Buffer,
  chunkBytes = 1_000,
): Promise<{ readonly through: Buffer; readonly error: Error | undefined }> {
  const chunks: Buffer[] = [];
  for (let at = 0; at < archive.length; at += chunkBytes)
    chunks.push(archive.subarray(at, at + chunkBytes));
  const through: Buffer[] = [];
  try {
    await pipeline(Readable.from(chunks), new ArchiveCheck(id), async (stream) => {
      for await (const chunk of stream) through.push(chunk as Buffer);
    });
    return { through: Buffer.concat(through), error: undefined };
  } catch (error) {
    return { through: Buffer.concat(through), error: error as Error };
  }
}

const good = classicImage('good');
const evil = classicImage('evil');
const layer = `${sha256('layer of good')}/layer.tar`;

function without(image: FakeImage, name: string): readonly FakeEntry[] {
  return image.entries.filter((entry) => entry.name !== name);
}

function manifest(...images: readonly object[]): FakeEntry {
  return { name: 'manifest.json', body: JSON.stringify(images) };
}
const config = `${good.id.slice('sha256:'.length)}.json`;

describe('an archive of the image', () => {
  test.each([
    ['a classic engine', good],
    ['an engine with containerd', listedImage('good')],
  ])('of %s passes unchanged, however it is cut', async (_what, { id, archive }) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 64, max: 3_000 }), async (chunkBytes) => {
        const { through, error } = await pass(id, archive, chunkBytes);
        expect(error).toBeUndefined();
        expect(through.equals(archive)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test('may have a layer that an earlier one has, and times with fractions', async () => {
    const entries: FakeEntry[] = [
      { name: 'PaxHeaders.0/x', type: 'x', body: '30 mtime=1350244992.023960108\n' },
      { name: `${sha256('two')}/layer.tar`, type: '2', target: `../${layer}` },
      ...good.entries,
    ];
    expect((await pass(good.id, archiveOf(entries))).error).toBeUndefined();
  });
});

describe('refused, with the end held back without which no engine begins', () => {
  const names = (...tags: string[]): FakeEntry => manifest({ Config: config, RepoTags: tags });
  const cases: readonly (readonly [string, Buffer])[] = [
    ['another image', evil.archive],
    ['another image under the name of this one', archiveOf([{ name: config, body: 'x' }])],
    ['no manifest', archiveOf(without(good, 'manifest.json'))],
    ['a manifest of another', archiveOf([...without(good, 'manifest.json'), ...evil.entries])],
    [
      'two images',
      archiveOf([
        ...without(good, 'manifest.json'),
        manifest({ Config: config }, { Config: evil.entries[0]?.name }),
      ]),
    ],
    ['a name', archiveOf([...without(good, 'manifest.json'), names('nginx:latest')])],
    ['names of old', archiveOf([{ name: 'repositories', body: '{"nginx":{}}' }, ...good.entries])],
    ['a second config', archiveOf([...good.entries, { name: `./${config}`, body: 'x' }])],
    ['a second manifest', archiveOf([...good.entries, names('nginx:latest')])],
    ['a linked manifest', archiveOf([{ name: 'manifest.json', type: '2', target: 'x' }])],
    ['a linked folder', archiveOf([{ name: 'd', type: '2', target: '.' }, ...good.entries])],
    ['a way out', archiveOf([{ name: '../manifest.json', body: '[]' }, ...good.entries])],
    ['a device', archiveOf([{ name: 'null', type: '3' }, ...good.entries])],
    [
      'a name in disguise',
      archiveOf([
        { name: 'PaxHeaders.0/x', type: 'x', body: '22 path=manifest.json\n' },
        ...good.entries,
      ]),
    ],
    ['something behind the end', Buffer.concat([good.archive, evil.archive])],
    ['no archive', Buffer.alloc(2_000, 'x')],
    ['nothing', Buffer.alloc(0)],
    ['half of it', good.archive.subarray(0, 1_500)],
    [
      'a name of containerd',
      archiveOf([
        ...without(listedImage('good'), 'index.json'),
        {
          name: 'index.json',
          body: JSON.stringify({
            manifests: [
              {
                digest: listedImage('good').id,
                annotations: { 'io.containerd.image.name': 'docker.io/library/nginx:latest' },
              },
            ],
          }),
        },
      ]),
    ],
  ];
  test.each(cases)('%s', async (what, archive) => {
    const { id } = what === 'a name of containerd' ? listedImage('good') : good;
    const { through, error } = await pass(id, archive);
    expect(error).toBeInstanceOf(WrongImageError);
    // What follows the end is never unpacked.
    if (what !== 'something behind the end') expect(hasEnd(through)).toBe(false);
  });

  test('an image of which any byte of the configuration is changed', async () => {
    const at = fc.integer({ min: 512, max: 511 + JSON.stringify({ text: 'good' }).length });
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const archive = Buffer.from(good.archive);
        archive.writeUInt8(archive.readUInt8(place) ^ change, place);
        expect((await pass(good.id, archive)).error).toBeInstanceOf(WrongImageError);
      }),
      { numRuns: 50 },
    );
  });
});

/** Two empty blocks one after the other. */
function hasEnd(bytes: Buffer): boolean {
  return bytes.includes(Buffer.alloc(1_024));
}
