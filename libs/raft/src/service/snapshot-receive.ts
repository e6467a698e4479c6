import { type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import type { InstallSnapshotResponse, SnapshotHeader, SnapshotPart } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';

/** Pieces read and not taken yet; then the sender waits. */
const piecesAheadMax = 4;
/** A snapshot that is out of date is never read; its sender is told after this, milliseconds. */
const unreadMsMax = 5_000;

type Call = ServerReadableStream<SnapshotPart, InstallSnapshotResponse>;

/** Takes one snapshot off its stream, no faster than it is read. */
export class SnapshotReceive {
  readonly #call: Call;
  readonly #callback: sendUnaryData<InstallSnapshotResponse>;
  readonly #begin: (
    header: SnapshotHeader,
    content: AsyncIterable<Uint8Array>,
  ) => string | undefined;
  readonly #pieces: Uint8Array[] = [];
  readonly #clock: Clock;
  #begun = false;
  #unread: Timer | undefined;
  #state: 'open' | 'complete' | 'failed' = 'open';
  #why = '';
  #wake: (() => void) | undefined;
  #answered = false;

  /** `begin` says why the snapshot is not wanted, if it is not. */
  constructor(
    call: Call,
    callback: sendUnaryData<InstallSnapshotResponse>,
    clock: Clock,
    begin: (header: SnapshotHeader, content: AsyncIterable<Uint8Array>) => string | undefined,
  ) {
    this.#clock = clock;
    this.#call = call;
    this.#callback = callback;
    this.#begin = begin;
    call.on('data', (part: SnapshotPart) => this.#part(part));
    for (const event of ['cancelled', 'error', 'end', 'close'] as const)
      call.on(event, () => this.#lost());
  }

  #part({ body }: SnapshotPart): void {
    if (this.#state !== 'open') return;
    if (body?.$case === 'header' && !this.#begun) {
      this.#begun = true;
      const refused = this.#begin(body.value, this.#content());
      if (refused !== undefined) this.#refuse(refused);
      else
        this.#unread = this.#clock.after(unreadMsMax, () =>
          this.#refuse('the voter has no use for this snapshot'),
        );
    } else if (body?.$case === 'data' && this.#begun) {
      this.#pieces.push(body.value);
      if (this.#pieces.length >= piecesAheadMax) this.#call.pause();
    } else if (body?.$case === 'end' && this.#begun) {
      this.#state = 'complete';
    } else {
      this.#refuse('not the parts of a snapshot');
    }
    this.#wake?.();
  }

  async *#content(): AsyncGenerator<Uint8Array> {
    this.#unread?.cancel();
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          this.#call.resume();
          yield piece;
        } else if (this.#state === 'complete') {
          this.#answer();
          return;
        } else if (this.#state === 'failed') {
          throw new Error(this.#why);
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#refuse('the snapshot was not taken to its end');
    }
  }

  #lost(): void {
    if (this.#state === 'open') this.#refuse('the stream ended before the snapshot was complete');
  }

  #refuse(why: string): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#unread?.cancel();
    this.#state = 'failed';
    this.#why = why;
    this.#pieces.length = 0;
    this.#callback({ code: status.ABORTED, details: why });
    this.#wake?.();
  }

  #answer(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#callback(null, {});
  }
}
