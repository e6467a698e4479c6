import { encoded, FollowResponse } from '@shoal/proto';
import type { LogIndex } from '@shoal/runtime';
import type { Codec } from '../wire/message-stream.ts';
import type { ServedLog } from './served-log.ts';
import { bufferOf, wireEntry } from './wire-messages.ts';

/** Entries in one message, in bytes; one larger entry travels alone. */
export const entriesBytesMax = 256 * 1024;

/** A message for a follower, and how far it brings it. */
export interface EntryMessage {
  readonly message: FollowResponse;
  readonly last: LogIndex;
}

/** The newest message: followers that keep up all stand at the same place and get the same one. */
interface Newest extends EntryMessage {
  readonly after: LogIndex;
  readonly applied: LogIndex;
}

/** Makes the messages in which followers get entries, each once for all who stand at the same place. */
export class EntryMessages {
  readonly #log: ServedLog;
  #newest: Newest | undefined;

  constructor(log: ServedLog) {
    this.#log = log;
  }

  /** The entries after `index`; undefined when there are none. */
  after(index: LogIndex): EntryMessage | 'compacted' | undefined {
    const { applied } = this.#log.status;
    if (index >= applied) return undefined;
    if (this.#newest?.after === index && this.#newest.applied === applied) return this.#newest;
    const found = this.#log.entriesAfter(index, entriesBytesMax);
    if (found.kind === 'compacted') return 'compacted';
    const last = found.entries.at(-1)?.index;
    if (last === undefined) return undefined;
    const entries = found.entries.map(wireEntry);
    const message: FollowResponse = {
      body: { $case: 'entries', value: { entries, committed: applied } },
    };
    this.#newest = { message, last, after: index, applied };
    return this.#newest;
  }
}

const bytesOf = new WeakMap<FollowResponse, Buffer>();

/** Encodes a message once, however many followers get it. */
function serialized(message: FollowResponse): Buffer {
  const known = bytesOf.get(message);
  if (known !== undefined) return known;
  const bytes = bufferOf(encoded(FollowResponse, message));
  bytesOf.set(message, bytes);
  return bytes;
}

/** The voter's side of what follows: entries are encoded once for all. */
export const feeding: Codec<FollowResponse, never> = {
  encode: serialized,
  decode: () => {
    throw new Error('who follows only listens');
  },
};
