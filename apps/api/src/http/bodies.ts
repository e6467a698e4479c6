import type { Readable } from 'node:stream';
import { ApiError } from '@shoal/docker-api';
import type { Clock } from '@shoal/runtime';

/** Largest body of a request that this process answers itself. */
export const bodyBytesMax = 4 * 1024 * 1024;
/** All bodies that are being read, together. */
export const allBytesMax = 64 * 1024 * 1024;
/** Longest wait for the end of a body, milliseconds. */
export const bodyMsMax = 30_000;

/** Reads bodies of requests. What slow and large ones take together is bounded. */
export class Bodies {
  readonly #clock: Pick<Clock, 'after'>;
  #bytes = 0;

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** Bytes that are held of bodies that have not ended. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Rejects with an ApiError; the rest of the body is then read and dropped, so that the answer arrives. */
  read(body: Readable): Promise<string> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const take = (chunk: Buffer): void => {
        size += chunk.length;
        this.#bytes += chunk.length;
        if (size > bodyBytesMax) refuse(413, 'http: request body too large');
        else if (this.#bytes > allBytesMax)
          refuse(503, 'too many large requests at once: try again');
        else chunks.push(chunk);
      };
      const forget = (): void => {
        timer.cancel();
        this.#bytes -= size;
        body.off('data', take).off('end', whole).off('close', lost).off('error', lost);
      };
      const whole = (): void => {
        forget();
        resolve(Buffer.concat(chunks, size).toString());
      };
      const refuse = (status: number, message: string): void => {
        forget();
        // An error that comes later is nobody's any more, but must not end the process.
        body.on('error', () => undefined).resume();
        reject(new ApiError(status, message));
      };
      const lost = (): void => refuse(400, 'unexpected EOF');
      const timer = this.#clock.after(bodyMsMax, () =>
        refuse(408, `the request did not come in whole within ${bodyMsMax / 1_000} s`),
      );
      body.on('data', take).on('end', whole).on('close', lost).on('error', lost);
    });
  }
}
