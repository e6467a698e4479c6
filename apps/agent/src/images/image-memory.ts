import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage, type Logger } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';
import { rememberedMax } from './limits.ts';

const ownerOnly = 0o600;
const texts = z.record(z.string(), z.string());
const file = z.object({
  schema: z.literal(1),
  digests: texts,
  heard: texts,
  tags: texts,
});
/** Digests that managers stand for; those that workers alone told; tags that this agent gave. */
type NoteKind = 'digests' | 'heard' | 'tags';

/** What the agent knows of images that came from other hosts, and their engines forget. */
export interface ImageNotes {
  /** The image that a digest of a registry stands for. */
  imageOf(digest: string): string | undefined;
  /** The image that a digest stands for by the word of workers alone: good for this host only. */
  heardOf(digest: string): string | undefined;
  /** Digests that stand for the image. */
  digestsOf(id: string): readonly string[];
  /** The image that this agent gave the tag to. */
  tagged(tag: string): string | undefined;
  note(what: NoteKind, key: string, id: string): Promise<void>;
}

/** Where it is kept, under the data directory. */
export function imagesFile(dataDir: string): string {
  return join(dataDir, 'agent', 'images.json');
}

/** The notes in memory alone, or in a file as well. What cannot be kept is asked for again. */
export class ImageMemory implements ImageNotes {
  readonly #path: string | undefined;
  readonly #logger: Logger | undefined;
  readonly #notes: Readonly<Record<NoteKind, Map<string, string>>> = {
    digests: new Map(),
    heard: new Map(),
    tags: new Map(),
  };
  #writing: Promise<void> = Promise.resolve();
  /** What is noted now will be in the next write. */
  #isDue = false;

  constructor(kept?: { readonly path: string; readonly logger: Logger }) {
    this.#path = kept?.path;
    this.#logger = kept?.logger;
  }

  static async open(path: string, logger: Logger): Promise<ImageMemory> {
    const memory = new ImageMemory({ path, logger });
    try {
      const kept = file.parse(JSON.parse(await readFile(path, 'utf8')));
      for (const kind of ['digests', 'heard', 'tags'] as const)
        for (const [key, id] of Object.entries(kept[kind])) memory.#notes[kind].set(key, id);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        logger.warn({ reason: errorMessage(error) }, 'images_file_unreadable');
    }
    return memory;
  }

  imageOf(digest: string): string | undefined {
    return this.#notes.digests.get(digest);
  }

  heardOf(digest: string): string | undefined {
    return this.#notes.heard.get(digest);
  }

  digestsOf(id: string): readonly string[] {
    return [...this.#notes.digests].flatMap(([digest, image]) => (image === id ? [digest] : []));
  }

  tagged(tag: string): string | undefined {
    return this.#notes.tags.get(tag);
  }

  /** Resolves when it is on the disk, or could not be written. */
  note(what: NoteKind, key: string, id: string): Promise<void> {
    const notes = this.#notes[what];
    if (notes.get(key) === id) return this.#writing;
    notes.delete(key);
    notes.set(key, id);
    const [oldest] = notes.keys();
    if (notes.size > rememberedMax && oldest !== undefined) notes.delete(oldest);
    if (!this.#isDue) this.#writing = this.#writing.then(() => this.#write());
    this.#isDue = true;
    return this.#writing;
  }

  async #write(): Promise<void> {
    this.#isDue = false;
    if (this.#path === undefined) return;
    const { digests, heard, tags } = this.#notes;
    const content = {
      schema: 1,
      digests: Object.fromEntries(digests),
      heard: Object.fromEntries(heard),
      tags: Object.fromEntries(tags),
    };
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await replaceFile(this.#path, `${JSON.stringify(content)}\n`, ownerOnly);
    } catch (error) {
      this.#logger?.warn({ reason: errorMessage(error) }, 'images_not_kept');
    }
  }
}
