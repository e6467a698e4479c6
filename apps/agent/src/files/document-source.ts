import { Metadata } from '@grpc/grpc-js';
import type { DispatcherClient, TaskDocument } from '@shoal/proto';
import { type Clock, errorMessage } from '@shoal/runtime';

/** Longest wait for an answer, milliseconds. */
const answerMsMax = 10_000;

/** Asks the dispatcher of the present session for what tasks are given to read. */
export class DocumentSource {
  readonly #clock: Clock;
  #client: DispatcherClient | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A session began, or the last one ended. */
  session(client: DispatcherClient | undefined): void {
    this.#client = client;
  }

  /** @throws when there is no session, or the dispatcher refuses */
  fetch(taskId: string): Promise<readonly TaskDocument[]> {
    const client = this.#client;
    if (client === undefined) return Promise.reject(new Error('no manager can be reached'));
    const deadline = this.#clock.now() + answerMsMax;
    return new Promise((resolve, reject) => {
      client.taskDocuments({ taskId }, new Metadata(), { deadline }, (error, answer) => {
        if (error === null) resolve(answer.documents);
        else reject(new Error(errorMessage(error)));
      });
    });
  }
}
