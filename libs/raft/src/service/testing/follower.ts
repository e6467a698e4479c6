import { EntryKind, type FollowResponse, type LogEntry } from '@shoal/proto';
import { type Restore, State } from '@shoal/state';
import type { VoterClient } from '../../wire/voter-client.ts';

/** A bare follower: it applies what it is sent and remembers what came. */
export class Follower {
  state = new State();
  index: number;
  snapshots = 0;
  ready = false;
  error: string | undefined;
  readonly #call;

  constructor(client: VoterClient, after = 0, state = new State()) {
    this.index = after;
    this.state = state;
    let restoring: Restore | undefined;
    this.#call = client.follow({ after, follower: 'test', prompt: true });
    this.#call.on('error', (error) => {
      this.error = error.message;
    });
    this.#call.on('end', () => {
      this.error = 'the voter ended the stream';
    });
    this.#call.on('data', ({ body }: FollowResponse) => {
      if (body?.$case === 'snapshot') {
        restoring ??= this.state.restore();
        restoring.push(body.value.data);
        if (!body.value.last) return;
        restoring.finish();
        restoring = undefined;
        this.index = body.value.index;
        this.snapshots += 1;
      } else {
        for (const entry of body?.value.entries ?? []) this.#apply(entry);
        if (body !== undefined && this.index >= body.value.committed) this.ready = true;
      }
    });
  }

  stop(): void {
    this.#call.cancel();
  }

  #apply(entry: LogEntry): void {
    if (entry.index !== this.index + 1) throw new Error(`${entry.index} after ${this.index}`);
    this.index = entry.index;
    if (entry.kind === EntryKind.NORMAL) this.state.apply(entry.index as never, entry.data);
    else this.state.advance(entry.index as never);
  }
}
