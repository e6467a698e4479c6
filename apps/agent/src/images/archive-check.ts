import { createHash, type Hash } from 'node:crypto';
import { posix } from 'node:path';
import { Transform, type TransformCallback } from 'node:stream';
import { errorMessage } from '@shoal/runtime';
import { z } from 'zod';
import { blockBytes, type EntryHeader, readExtension, readHeader } from './archive-entries.ts';

/** Largest description of an image inside an archive, bytes. */
const describingBytesMax = 8 << 20;
/** Files of an archive; an image has at most 127 layers. */
const entriesMax = 2_000;

/** What arrived is not the image that was promised; the message is one sentence for people. */
export class WrongImageError extends Error {
  override readonly name = 'WrongImageError';
}

const names = z.array(z.string()).nullish();
const classic = z.array(z.object({ Config: z.string(), RepoTags: names })).length(1);
const annotations = z.record(z.string(), z.string()).nullish();
const index = z.object({
  manifests: z.array(z.object({ digest: z.string(), annotations })).length(1),
});
/** Names that engines take over from an archive. */
const namingAnnotations = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
/** Files that say what the archive holds. */
const describing = new Set(['manifest.json', 'index.json', 'repositories', 'oci-layout']);
/** How engines leave out a layer that is in the archive already. */
const sharedLayer = {
  name: /^[0-9a-f]{64}\/layer\.tar$/,
  target: /^\.\.\/[0-9a-f]{64}\/layer\.tar$/,
};

/**
 * Lets an engine's archive of one image through while it proves to be that image alone: what has the
 * image's digest has its content, which names the layers by theirs, and no name comes with it that an
 * engine would give away. The end of the archive, without which no engine begins to work on it, only
 * passes when all is there.
 */
export class ArchiveCheck extends Transform {
  readonly #id: string;
  /** Where the content may be whose checksum is the image's id. */
  readonly #contents: ReadonlySet<string>;
  readonly #seen = new Set<string>();
  readonly #described = new Map<string, Buffer>();
  #isProven = false;
  #entries = 0;
  /** The next entry's, as an extension told. */
  #size: number | undefined;
  #open: OpenEntry | undefined;
  /** Bytes of the entry and of its padding that are to come. */
  #left = 0;
  #padding = 0;
  #block = Buffer.alloc(0);
  #isOver = false;

  /** `id` is `sha256:…`. */
  constructor(id: string) {
    super();
    this.#id = id;
    const hex = id.slice(id.indexOf(':') + 1);
    this.#contents = new Set([`${hex}.json`, `blobs/sha256/${hex}`]);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#read(chunk);
      done(null, chunk);
    } catch (error) {
      done(asError(error));
    }
  }

  override _flush(done: TransformCallback): void {
    done(this.#isOver ? null : new WrongImageError('the archive broke off'));
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#isOver) {
        if (rest.some((byte) => byte !== 0))
          throw wrong('something follows the end of the archive');
        return;
      }
      rest = this.#left + this.#padding > 0 ? this.#body(rest) : this.#header(rest);
    }
  }

  #body(bytes: Buffer): Buffer {
    const body = bytes.subarray(0, this.#left);
    this.#open?.take(body);
    this.#left -= body.length;
    const skipped = Math.min(this.#padding, bytes.length - body.length);
    this.#padding -= skipped;
    if (this.#left === 0 && this.#open !== undefined) this.#close(this.#open);
    return bytes.subarray(body.length + skipped);
  }

  #header(bytes: Buffer): Buffer {
    const missing = blockBytes - this.#block.length;
    this.#block = Buffer.concat([this.#block, bytes.subarray(0, missing)]);
    if (this.#block.length === blockBytes) {
      const block = this.#block;
      this.#block = Buffer.alloc(0);
      if (block.every((byte) => byte === 0)) this.#ended();
      else this.#begin(block);
    }
    return bytes.subarray(missing);
  }

  #begin(block: Buffer): void {
    const read = readHeader(block);
    this.#entries += 1;
    if (read === undefined || this.#entries > entriesMax)
      throw wrong('it is no archive of an image');
    // Engines pass over this size, so that what follows would be theirs to read and not seen here.
    if (this.#size !== undefined && (read.type === 'link' || read.type === 'directory'))
      throw wrong('it tells a size of what has none');
    const size = this.#size ?? read.size;
    const entry = { ...read, size, name: posix.normalize(read.name) };
    this.#size = undefined;
    this.#left = size;
    this.#padding = (blockBytes - (size % blockBytes)) % blockBytes;
    this.#open = this.#entry(entry);
    if (size === 0 && this.#open !== undefined) this.#close(this.#open);
  }

  #entry({ type, name, size, target }: EntryHeader): OpenEntry | undefined {
    if (type === 'extension') return open('extension', name, size);
    if (name.startsWith('/') || name.startsWith('..')) throw wrong(`it holds ${name}`);
    if (type === 'link') {
      if (!sharedLayer.name.test(name) || !sharedLayer.target.test(target))
        throw wrong(`it holds a link from ${name} to ${target}`);
      return undefined;
    }
    if (type === 'directory') return undefined;
    const isContent = this.#contents.has(name);
    if (!isContent && !describing.has(name)) return undefined;
    // The later of two files would be the one that counts.
    if (this.#seen.has(name)) throw wrong(`it holds ${name} twice`);
    this.#seen.add(name);
    return open(isContent ? 'content' : 'describing', name, size);
  }

  #close(entry: OpenEntry): void {
    this.#open = undefined;
    switch (entry.kind) {
      case 'extension': {
        const read = readExtension(entry.body());
        if (read === undefined) throw wrong('it is no archive of an image');
        this.#size = read.size;
        return;
      }
      case 'describing':
        this.#described.set(entry.name, entry.body());
        return;
      case 'content':
        this.#isProven = entry.digest() === this.#id;
        if (!this.#isProven) throw wrong('its content is another one');
    }
  }

  #ended(): void {
    this.#isOver = true;
    if (!this.#isProven) throw wrong('it is another image');
    const manifest = classic.safeParse(this.#json('manifest.json'));
    const listed = index.safeParse(this.#json('index.json'));
    const isClassic = manifest.success && this.#contents.has(manifest.data[0]?.Config ?? '');
    const isListed = listed.success && listed.data.manifests[0]?.digest === this.#id;
    if (!isClassic && !isListed) throw wrong('it is another image');
    const given = [
      ...(manifest.data?.[0]?.RepoTags ?? []),
      ...namingAnnotations.flatMap((name) => listed.data?.manifests[0]?.annotations?.[name] ?? []),
      ...Object.keys(
        z.record(z.string(), z.unknown()).nullish().parse(this.#json('repositories')) ?? {},
      ),
    ];
    if (given.length > 0) throw wrong(`it brings the name ${given[0]} with it`);
    if (this.#seen.has('index.json') && !listed.success) throw wrong('it holds several images');
  }

  #json(name: string): unknown {
    const body = this.#described.get(name);
    return body === undefined ? undefined : JSON.parse(body.toString('utf8'));
  }
}

/** A file that is looked into. */
class OpenEntry {
  readonly kind: 'extension' | 'describing' | 'content';
  readonly name: string;
  readonly #hash: Hash | undefined;
  readonly #chunks: Buffer[] = [];

  constructor(kind: OpenEntry['kind'], name: string) {
    this.kind = kind;
    this.name = name;
    this.#hash = kind === 'content' ? createHash('sha256') : undefined;
  }

  take(bytes: Buffer): void {
    if (this.#hash === undefined) this.#chunks.push(bytes);
    else this.#hash.update(bytes);
  }

  body(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  digest(): string {
    return `sha256:${this.#hash?.digest('hex') ?? ''}`;
  }
}

function open(kind: OpenEntry['kind'], name: string, size: number): OpenEntry {
  if (size > describingBytesMax) throw wrong(`its ${name} is too large`);
  return new OpenEntry(kind, name);
}

function wrong(message: string): WrongImageError {
  return new WrongImageError(`what it sent is not the image: ${message}`);
}

function asError(error: unknown): Error {
  return error instanceof WrongImageError ? error : wrong(errorMessage(error));
}
