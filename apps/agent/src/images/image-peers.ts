import type { ClientRequest, IncomingMessage } from 'node:http';
import type { LinkClient } from '@shoal/link';
import type { ImageSource } from '@shoal/proto';
import { type Clock, errorMessage } from '@shoal/runtime';
import { z } from 'zod';
import { type ImageOffer, imageIdHeader } from './image-share.ts';
import { answerBytesMax, answerMsMax as answerMsDefault } from './limits.ts';

/** What another host says. */
export type PeerAnswer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** It can be asked again. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly reason: string };

const offerShape = z.object({
  id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.number().nonnegative(),
  createdAt: z.number(),
});
const told = z.object({ message: z.string() });
const busyStatus = 429;

export interface ImagePeersOptions {
  readonly link: Pick<LinkClient, 'request'>;
  /** Where the links of hosts listen. */
  readonly port: number;
  readonly clock: Pick<Clock, 'after'>;
  readonly answerMsMax?: number;
}

/** Asks other hosts for images. */
export class ImagePeers {
  readonly #options: ImagePeersOptions;

  constructor(options: ImagePeersOptions) {
    this.#options = options;
  }

  /** Which image the reference is there. */
  async offer(source: ImageSource, reference: string): Promise<PeerAnswer<ImageOffer>> {
    const answer = await this.#get(source, `${pathOf(reference)}/json`);
    if (answer.kind !== 'ok') return answer;
    try {
      const offer = offerShape.parse(JSON.parse(await this.#read(answer.value)));
      return { kind: 'ok', value: offer };
    } catch (error) {
      return { kind: 'failed', reason: `its answer cannot be read: ${errorMessage(error)}` };
    }
  }

  /** The image's archive, to be read or destroyed by the caller. */
  async archive(
    source: ImageSource,
    reference: string,
    id: string,
  ): Promise<PeerAnswer<IncomingMessage>> {
    const answer = await this.#get(source, pathOf(reference));
    if (answer.kind !== 'ok' || answer.value.headers[imageIdHeader] === id) return answer;
    answer.value.destroy();
    return { kind: 'failed', reason: 'it has another image of that name by now' };
  }

  async #get(source: ImageSource, path: string): Promise<PeerAnswer<IncomingMessage>> {
    const { link, port, clock, answerMsMax = answerMsDefault } = this.#options;
    const request = link.request({
      address: { host: source.addr, port },
      nodeId: source.nodeId,
      method: 'GET',
      path,
      headers: {},
    });
    const late = clock.after(answerMsMax, () => request.destroy(new Error('it does not answer')));
    try {
      const response = await answered(request);
      const { statusCode = 0 } = response;
      if (statusCode === 200) return { kind: 'ok', value: response };
      const reason =
        messageIn(await this.#read(response)) ?? `it answers with status ${statusCode}`;
      return statusCode === busyStatus ? { kind: 'busy' } : { kind: 'failed', reason };
    } catch (error) {
      request.destroy();
      return { kind: 'failed', reason: errorMessage(error) };
    } finally {
      late.cancel();
    }
  }

  /** A short answer as a whole. @throws when it is long, or late */
  async #read(response: IncomingMessage): Promise<string> {
    const { clock, answerMsMax = answerMsDefault } = this.#options;
    const late = clock.after(answerMsMax, () => response.destroy(new Error('it does not answer')));
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response) {
        bytes += (chunk as Buffer).length;
        if (bytes > answerBytesMax) throw new Error('it says too much');
        chunks.push(chunk as Buffer);
      }
    } finally {
      late.cancel();
    }
    return Buffer.concat(chunks).toString('utf8');
  }
}

function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', (response) => {
      // What breaks off later is seen by whoever reads.
      response.on('error', () => undefined);
      resolve(response);
    });
    request.on('error', reject);
    request.end();
  });
}

function pathOf(reference: string): string {
  return `/images/${encodeURIComponent(reference)}`;
}

function messageIn(text: string): string | undefined {
  try {
    return told.safeParse(JSON.parse(text)).data?.message;
  } catch {
    return undefined;
  }
}
