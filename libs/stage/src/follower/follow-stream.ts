import type { FollowResponse } from '@shoal/proto';
import type { VoterClient } from '@shoal/raft/client';
import { type Clock, errorMessage, type Random } from '@shoal/runtime';
import type { FollowerState } from './follower-state.ts';
import { type Attempt, Reconnecting } from './reconnecting.ts';

/** Keeps a follower's state fed: snapshot or entries from where it stands, again after every loss. */
export class FollowStream {
  readonly #connection: Reconnecting;

  constructor(options: {
    readonly client: () => VoterClient;
    readonly state: FollowerState;
    readonly follower: string;
    readonly prompt: boolean;
    readonly clock: Clock;
    readonly random: Random;
    /** After each message. */
    readonly onReceived: () => void;
    readonly onDown: (reason: string, delayMs: number) => void;
  }) {
    const { client, state, follower, prompt } = options;
    const open = (down: (reason: string) => void): Attempt => {
      state.streamOpened();
      const call = client().follow({ after: state.cursor, follower, prompt });
      let over = false;
      const ended = (reason: string): void => {
        if (over) return;
        over = true;
        down(reason);
      };
      call.on('data', (message: FollowResponse) => {
        if (over) return;
        this.#connection.healthy();
        const received = state.receive(message);
        options.onReceived();
        if (received.kind === 'taken') return;
        call.cancel();
        ended(received.reason);
      });
      call.on('error', (error) => ended(errorMessage(error)));
      call.on('end', () => ended('the voter ended the stream'));
      return {
        close: () => {
          over = true;
          call.cancel();
        },
      };
    };
    this.#connection = new Reconnecting({
      clock: options.clock,
      random: options.random,
      open,
      onDown: options.onDown,
    });
  }

  start(): void {
    this.#connection.start();
  }

  restart(reason: string): void {
    this.#connection.restart(reason);
  }

  stop(): void {
    this.#connection.stop();
  }
}
