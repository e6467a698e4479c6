import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { type Clock, errorMessage, type Timer } from '@shoal/runtime';
import { imagesMax } from '@shoal/state';
import { z } from 'zod';
import type { EngineResult } from '../executor/engine.ts';
import type { EngineHttp } from '../executor/engine-http.ts';
import type { ImageNotes } from './image-memory.ts';
import { namesKeptMax, watchRetryMs } from './limits.ts';
import { parseReference, splitTag } from './reference.ts';

/** An image that the engine has. */
export interface LocalImage {
  /** `sha256:…`, the checksum of what the image is made by. */
  readonly id: string;
  /** Of its layers, bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly tags: readonly string[];
}

const texts = z.array(z.string()).nullish();
const listed = z.array(z.object({ Id: z.string(), RepoTags: texts, RepoDigests: texts }));
const inspected = z.object({
  Id: z.string(),
  Size: z.number().nonnegative(),
  Created: z.string().nullish(),
  RepoTags: texts,
});
const loadedLine = z.object({
  stream: z.string().optional(),
  error: z.string().optional(),
});
const imageEvent = z.object({ Action: z.string() });
/** Events after which an image has come, gone, or has another name. */
const changing = new Set(['delete', 'import', 'load', 'pull', 'tag', 'untag']);
/** How often the list is read anew even if the engine tells of no change, milliseconds. */
const listEveryMs = 60_000;
/** A longer answer to a load is cut, characters. */
const loadAnswerCharsMax = 1 << 20;
/** A line of the event stream that is longer is dropped, characters. */
const eventCharsMax = 1 << 20;

export interface EngineImagesOptions {
  readonly http: EngineHttp;
  readonly notes: ImageNotes;
  readonly monotonic: () => number;
}

/** The images of this host's engine, and what they are called by specs. */
export class EngineImages {
  readonly #http: EngineHttp;
  readonly #notes: ImageNotes;
  readonly #monotonic: () => number;
  #list: { readonly names: readonly string[]; readonly at: number } | undefined;
  /** What containers of a spec's image are made of; good until the engine tells of a change. */
  readonly #names = new Map<string, Promise<string>>();
  #changes = 0;
  #watched = false;

  constructor({ http, notes, monotonic }: EngineImagesOptions) {
    this.#http = http;
    this.#notes = notes;
    this.#monotonic = monotonic;
  }

  /** Tags, digests and ids, of the newest images first; what was known last when the engine does not answer. */
  async list(): Promise<readonly string[]> {
    const known = this.#list;
    const now = this.#monotonic();
    if (known !== undefined && now - known.at < listEveryMs) return known.names;
    const changes = this.#changes;
    const answer = await this.#http.json('images', { method: 'GET', path: '/images/json' }, listed);
    if (answer.kind === 'failed') return known?.names ?? [];
    const names = this.#namesOf(answer.value);
    if (changes === this.#changes) this.#list = { names, at: now };
    return names;
  }

  #namesOf(images: z.output<typeof listed>): readonly string[] {
    const names = new Set<string>();
    for (const { Id, RepoTags, RepoDigests } of images) {
      const digests = (RepoDigests ?? []).map((digest) => digest.slice(digest.indexOf('@') + 1));
      for (const name of [...(RepoTags ?? []), Id, ...digests, ...this.#notes.digestsOf(Id)])
        if (!name.startsWith('<none>') && names.size < imagesMax) names.add(name);
    }
    return [...names].sort();
  }

  /**
   * The image that a spec means, for other hosts to hear. A digest is one of a registry, or that of the image itself: engines know
   * the first kind only of what they pulled, and the second only without a name before it.
   */
  async find(reference: string): Promise<EngineResult<LocalImage>> {
    const found = await this.inspect(reference);
    return isMissing(found) ? this.#findByDigest(reference, found, true) : found;
  }

  async #findByDigest(
    reference: string,
    missing: EngineResult<LocalImage>,
    isForOthers = false,
  ): Promise<EngineResult<LocalImage>> {
    const { digest } = parseReference(reference);
    if (digest === undefined) return missing;
    const found = await this.inspect(digest);
    const noted =
      this.#notes.imageOf(digest) ?? (isForOthers ? undefined : this.#notes.heardOf(digest));
    return isMissing(found) && noted !== undefined ? this.inspect(noted) : found;
  }

  /** By whatever the engine itself knows: a name, or an id. */
  async inspect(name: string): Promise<EngineResult<LocalImage>> {
    const path = `/images/${name}/json`;
    const answer = await this.#http.json('image_inspect', { method: 'GET', path }, inspected);
    if (answer.kind === 'failed') return answer;
    const { Id: id, Size: size, Created, RepoTags } = answer.value;
    const createdAt = Date.parse(Created ?? '');
    const tags = RepoTags ?? [];
    return {
      kind: 'ok',
      value: { id, size, tags, createdAt: Number.isNaN(createdAt) ? 0 : createdAt },
    };
  }

  /**
   * What a container of a spec's image is made of: the reference itself where the engine knows it, else the
   * tag while it is on just that image, else its id.
   */
  async nameFor(reference: string): Promise<string> {
    if (parseReference(reference).digest === undefined) return reference;
    const kept = this.#names.get(reference);
    if (kept !== undefined) return kept;
    if (this.#names.size >= namesKeptMax) this.#names.clear();
    const looked = this.#look(reference);
    const name = looked.then((found) => found ?? reference);
    this.#names.set(reference, name);
    const found = await looked;
    // Without the engine's word of changes, and of what may come any time, nothing is kept.
    if ((found === undefined || !this.#watched) && this.#names.get(reference) === name)
      this.#names.delete(reference);
    return name;
  }

  /** Undefined when the engine does not have it. */
  async #look(reference: string): Promise<string | undefined> {
    const known = await this.inspect(reference);
    if (known.kind === 'ok') return reference;
    const found = isMissing(known) ? await this.#findByDigest(reference, known) : known;
    if (found.kind === 'failed') return undefined;
    const { id, tags } = found.value;
    const { tagged } = parseReference(reference);
    return tagged !== undefined && tags.includes(tagged) ? tagged : id;
  }

  /** An archive of just this image, without names. */
  export(id: string, signal: AbortSignal): Promise<EngineResult<IncomingMessage>> {
    const path = `/images/${id}/get`;
    return this.#http.stream('image_export', { method: 'GET', path, signal });
  }

  /** Puts an archive into the engine; gives the ids of the images that it made of it. */
  async load(content: Readable, signal: AbortSignal): Promise<EngineResult<readonly string[]>> {
    const query = { quiet: '1' };
    const call = { method: 'POST' as const, path: '/images/load', query, content, signal };
    const answer = await this.#http.stream('image_load', call);
    if (answer.kind === 'failed') return answer;
    let text = '';
    try {
      for await (const chunk of answer.value)
        text = (text + (chunk as Buffer).toString('utf8')).slice(0, loadAnswerCharsMax);
    } catch (error) {
      return { kind: 'failed', failure: { kind: 'unreachable', message: errorMessage(error) } };
    }
    return readLoaded(text);
  }

  /** Removes an image that has no name and no container. */
  async removeNameless(id: string): Promise<void> {
    const found = await this.inspect(id);
    if (found.kind === 'failed' || found.value.tags.length > 0) return;
    await this.#http.run('image_remove', { method: 'DELETE', path: `/images/${id}` });
    this.#changed();
  }

  /**
   * Makes `reference` mean the image from now on; other hosts hear of it if it is confirmed. A tag that somebody on this host gave to another image
   * stays where it is.
   */
  async adopt(
    reference: string,
    { id, tags }: LocalImage,
    isConfirmed: boolean,
  ): Promise<EngineResult<undefined>> {
    const { digest, tagged } = parseReference(reference);
    if (digest !== undefined && digest !== id)
      await this.#notes.note(isConfirmed ? 'digests' : 'heard', digest, id);
    this.#changed();
    if (tagged === undefined || tags.includes(tagged)) return { kind: 'ok', value: undefined };
    const holder = await this.inspect(tagged);
    const isOthers = holder.kind === 'ok' && holder.value.id !== this.#notes.tagged(tagged);
    if (isOthers) return { kind: 'ok', value: undefined };
    const path = `/images/${id}/tag`;
    const given = await this.#http.run('image_tag', {
      method: 'POST',
      path,
      query: splitTag(tagged),
    });
    if (given.kind === 'ok') await this.#notes.note('tags', tagged, id);
    this.#changed();
    return given;
  }

  /** Calls `listener` whenever an image has come, gone or has another name, until `signal`. */
  watch(signal: AbortSignal, clock: Pick<Clock, 'after'>, listener: () => void): void {
    let retry: Timer | undefined;
    const changed = (): void => {
      this.#changed();
      listener();
    };
    const again = (): void => {
      this.#watched = false;
      if (!signal.aborted) retry = clock.after(watchRetryMs, begin);
    };
    const begin = (): void => {
      void this.#follow(signal, changed).then((stream) => {
        if (stream === undefined) return again();
        stream.on('error', () => undefined);
        stream.on('close', again);
        this.#watched = true;
        changed();
      });
    };
    signal.addEventListener('abort', () => retry?.cancel());
    begin();
  }

  async #follow(signal: AbortSignal, changed: () => void): Promise<IncomingMessage | undefined> {
    const filters = JSON.stringify({ type: ['image'] });
    const call = { method: 'GET' as const, path: '/events', query: { filters }, signal };
    const result = await this.#http.stream('events', call);
    if (result.kind === 'failed') return undefined;
    let rest = '';
    result.value.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > eventCharsMax) rest = '';
      if (lines.some(tellsOfChange)) changed();
    });
    return result.value;
  }

  #changed(): void {
    this.#changes += 1;
    this.#list = undefined;
    this.#names.clear();
  }
}

function isMissing(result: EngineResult<unknown>): boolean {
  return result.kind === 'failed' && result.failure.kind === 'not-found';
}

function tellsOfChange(line: string): boolean {
  try {
    const event = imageEvent.safeParse(JSON.parse(line));
    return event.success && changing.has(event.data.Action);
  } catch {
    return false;
  }
}

/** What an engine says of a load; that it went wrong it says in an answer that began well. */
function readLoaded(text: string): EngineResult<readonly string[]> {
  const ids: string[] = [];
  const refused = (message: string): EngineResult<readonly string[]> => {
    return { kind: 'failed', failure: { kind: 'refused', message } };
  };
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    try {
      const { error, stream = '' } = loadedLine.parse(JSON.parse(line));
      if (error !== undefined) return refused(error);
      const id = /^Loaded image ID: (sha256:[0-9a-f]{64})/.exec(stream)?.[1];
      if (id !== undefined) ids.push(id);
    } catch {
      return refused(`unexpected answer to a load: ${line}`);
    }
  }
  return { kind: 'ok', value: ids };
}
