import type { InstallSnapshotResponse, SnapshotPart, VotersClient } from '@shoal/proto';
import { type Clock, errorMessage, type Timer } from '@shoal/runtime';
import { encodeMembership } from '../core/membership.ts';
import type { Envelope, Message } from '../core/messages.ts';
import { bufferOf } from './wire-messages.ts';

/** Largest piece of a snapshot in one message. */
const snapshotPartBytesMax = 256 * 1024;
/** A peer that takes no piece for so long is given up, milliseconds. */
const snapshotStallMsMax = 30_000;

export type SnapshotMessage = Extract<Message, { kind: 'snapshot' }>;

export interface SnapshotSendOptions {
  readonly envelope: Envelope & { readonly message: SnapshotMessage };
  readonly content: Iterable<Uint8Array>;
  /** With a connection of its own, so that heartbeats need not wait behind it; closed at the end. */
  readonly client: VotersClient;
  readonly clock: Clock;
  /** Called once, with what went wrong or `undefined`. */
  readonly ended: (error: string | undefined) => void;
}

/** Sends one snapshot, a piece at a time: the next one is made when the peer has room for it. */
export class SnapshotSend {
  readonly #options: SnapshotSendOptions;
  readonly #parts: Iterator<SnapshotPart>;
  readonly #call;
  #stall: Timer | undefined;
  #over = false;

  constructor(options: SnapshotSendOptions) {
    this.#options = options;
    this.#parts = partsOf(options.envelope, options.content);
    this.#call = options.client.installSnapshot((error, _response: InstallSnapshotResponse) =>
      this.#end(error === null ? undefined : errorMessage(error)),
    );
    // The callback above hears of it as well.
    this.#call.on('error', () => undefined);
    this.#next();
  }

  cancel(reason: string): void {
    this.#end(reason);
  }

  #next(): void {
    if (this.#over) return;
    this.#stall?.cancel();
    const { clock } = this.#options;
    this.#stall = clock.after(snapshotStallMsMax, () => this.#end('the peer stands still'));
    const part = this.#parts.next();
    if (part.done === true) this.#call.end();
    else this.#call.write(part.value, () => this.#next());
  }

  #end(error: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#stall?.cancel();
    this.#parts.return?.();
    if (error !== undefined) this.#call.cancel();
    this.#options.client.close();
    this.#options.ended(error);
  }
}

function* partsOf(
  { from, to, message }: SnapshotSendOptions['envelope'],
  content: Iterable<Uint8Array>,
): Generator<SnapshotPart, undefined> {
  const { term, snapshot } = message;
  const last = { index: snapshot.index, term: snapshot.term };
  const membership = bufferOf(encodeMembership(snapshot.membership));
  yield { body: { $case: 'header', value: { from, to, term, last, membership } } };
  for (const chunk of content)
    for (let at = 0; at < chunk.length; at += snapshotPartBytesMax) {
      const data = bufferOf(chunk.subarray(at, at + snapshotPartBytesMax));
      yield { body: { $case: 'data', value: data } };
    }
  yield { body: { $case: 'end', value: {} } };
  return undefined;
}
