import { Metadata } from '@grpc/grpc-js';
import type { DispatcherClient, ImageSource } from '@shoal/proto';
import { type Clock, errorMessage } from '@shoal/runtime';
import { answerMsMax } from './limits.ts';

/** What the swarm knows of who has and who needs images. */
export interface ImageDirectory {
  /**
   * Other nodes that have the image of a task of this node; with `allManagers` those managers as well that do
   * not say so. @throws when no dispatcher answers
   */
  sources(image: string, allManagers: boolean): Promise<readonly ImageSource[]>;
  /** Whether the node has a task of the image. @throws when no dispatcher answers */
  wanted(nodeId: string, image: string): Promise<boolean>;
}

/** Asks the dispatcher of the present session. */
export class DispatcherDirectory implements ImageDirectory {
  readonly #clock: Pick<Clock, 'now'>;
  #client: DispatcherClient | undefined;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** A session began, or the last one ended. */
  session(client: DispatcherClient | undefined): void {
    this.#client = client;
  }

  sources(image: string, allManagers: boolean): Promise<readonly ImageSource[]> {
    return this.#ask((client, options, done) =>
      client.imageSources({ image, allManagers }, new Metadata(), options, (error, answer) =>
        done(error, answer?.sources),
      ),
    );
  }

  wanted(nodeId: string, image: string): Promise<boolean> {
    return this.#ask((client, options, done) =>
      client.imageWanted({ nodeId, image }, new Metadata(), options, (error, answer) =>
        done(error, answer?.wanted),
      ),
    );
  }

  #ask<T>(
    call: (
      client: DispatcherClient,
      options: { readonly deadline: number },
      done: (error: Error | null, value: T | undefined) => void,
    ) => void,
  ): Promise<T> {
    const client = this.#client;
    if (client === undefined) return Promise.reject(new Error('no manager can be reached'));
    return new Promise((resolve, reject) => {
      call(client, { deadline: this.#clock.now() + answerMsMax }, (error, value) => {
        if (error !== null || value === undefined) reject(new Error(errorMessage(error)));
        else resolve(value);
      });
    });
  }
}
