import { createHash } from 'node:crypto';

const blockBytes = 512;

/** A file of an archive. */
export interface FakeEntry {
  readonly name: string;
  readonly body?: string | Buffer;
  /** A regular file unless it says otherwise. */
  readonly type?: string;
  readonly target?: string;
}

function entryOf({ name, body = '', type = '0', target = '' }: FakeEntry): Buffer {
  const content = Buffer.from(body);
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0, 'latin1');
  header.write(content.length.toString(8).padStart(11, '0'), 124);
  header.fill(' ', 148, 156);
  header.write(type, 156);
  header.write(target, 157);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes);
  return Buffer.concat([header, content, padding]);
}

export function archiveOf(entries: readonly FakeEntry[]): Buffer {
  return Buffer.concat([...entries.map(entryOf), Buffer.alloc(2 * blockBytes)]);
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** An image as an engine keeps it, made of some text. */
export interface FakeImage {
  readonly id: string;
  readonly entries: readonly FakeEntry[];
  readonly archive: Buffer;
}

/** What engines of 20.10 save of an image without a name. */
export function classicImage(text: string, layerBytes = 1_000): FakeImage {
  const layer = sha256(`layer of ${text}`);
  const config = JSON.stringify({ text });
  const hex = sha256(config);
  const manifest = [{ Config: `${hex}.json`, RepoTags: null, Layers: [`${layer}/layer.tar`] }];
  const entries: FakeEntry[] = [
    { name: `${hex}.json`, body: config },
    { name: `${layer}/`, type: '5' },
    { name: `${layer}/VERSION`, body: '1.0' },
    { name: `${layer}/layer.tar`, body: Buffer.alloc(layerBytes, text) },
    { name: 'manifest.json', body: JSON.stringify(manifest) },
  ];
  return { id: `sha256:${hex}`, entries, archive: archiveOf(entries) };
}

/** What engines with containerd's image store save: there the id is that of the manifest. */
export function listedImage(text: string): FakeImage {
  const blob = (body: string): FakeEntry => ({ name: `blobs/sha256/${sha256(body)}`, body });
  const config = blob(JSON.stringify({ text }));
  const manifest = blob(JSON.stringify({ config: config.name }));
  const id = `sha256:${sha256(manifest.body ?? '')}`;
  const entries: FakeEntry[] = [
    { name: 'blobs/', type: '5' },
    config,
    manifest,
    { name: 'index.json', body: JSON.stringify({ schemaVersion: 2, manifests: [{ digest: id }] }) },
    { name: 'manifest.json', body: JSON.stringify([{ Config: config.name, RepoTags: [] }]) },
    { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
  ];
  return { id, entries, archive: archiveOf(entries) };
}
