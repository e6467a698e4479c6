import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { type LinkHandler, type LinkPeer, type LinkRoute, refusal } from '@shoal/link';
import { whenEnded } from '@shoal/link/proxy';
import { type Clock, errorMessage, type Logger } from '@shoal/runtime';
import type { EngineImages, LocalImage } from './engine-images.ts';
import type { ImageDirectory } from './image-directory.ts';
import type { ImageMetrics, ServeEnd } from './image-metrics.ts';
import { referenceCharsMax, stallMsMax as stallMsDefault, uploadsMax } from './limits.ts';
import { TokenBucket } from './token-bucket.ts';
import { WatchedStream } from './watched-stream.ts';

/** The header that tells which image follows. */
export const imageIdHeader = 'shoal-image-id';

/** What a host says of an image that it has: the answer to `GET /images/<reference>/json`. */
export interface ImageOffer {
  readonly id: string;
  /** Bytes, about. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface ImageShareOptions {
  readonly images: Pick<EngineImages, 'find' | 'export'>;
  readonly directory: Pick<ImageDirectory, 'wanted'>;
  /** Bytes a second to all hosts together; 0: nothing is given away. */
  readonly bytesPerSecond: number;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly logger: Logger;
  readonly metrics: ImageMetrics;
  readonly stallMsMax?: number;
}

const referenceForm = /^[\w.\-/:@+]+$/;

interface Asked {
  readonly reference: string;
  readonly isQuestion: boolean;
}

type Judged = { readonly kind: 'image'; readonly image: LocalImage } | Refused;

interface Refused {
  readonly kind: 'refused';
  readonly end: ServeEnd;
  readonly status: number;
  readonly message: string;
}

/**
 * Gives images of this host's engine to other nodes: only to those that have a task of the image, which
 * is asked of a manager each time; a few at once, and no faster than was set.
 */
export class ImageShare implements LinkHandler {
  readonly route: LinkRoute = { root: 'images', roles: ['manager', 'worker'], handler: this };
  readonly #options: ImageShareOptions;
  readonly #bucket: TokenBucket;
  #uploads = 0;

  constructor(options: ImageShareOptions) {
    this.#options = options;
    const { bytesPerSecond } = options;
    this.#bucket = new TokenBucket({ most: bytesPerSecond, perSecond: bytesPerSecond });
  }

  request(peer: LinkPeer, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    // Hosts that ask for images end their writing only when they leave.
    whenEnded(request, response, () => response.destroy());
    void this.#answer(peer, request, response).catch((error: unknown) => {
      this.#options.logger.warn(
        { node: peer.nodeId, reason: errorMessage(error) },
        'image_not_served',
      );
      refusal(response, 500, errorMessage(error));
    });
  }

  async #answer(peer: LinkPeer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = readPath(request);
    if (asked === undefined) {
      const what = `${request.method} ${request.url}`;
      return this.#refuse(response, refused('refused', 400, `${what} asks for no image`));
    }
    const judged = await this.#judge(peer, asked.reference);
    if (judged.kind === 'refused') return this.#refuse(response, judged);
    const { id, size, createdAt } = judged.image;
    const offer: ImageOffer = { id, size, createdAt };
    if (asked.isQuestion) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(offer)}\n`);
    } else await this.#send(peer, judged.image, response);
  }

  async #judge(peer: LinkPeer, reference: string): Promise<Judged> {
    const { bytesPerSecond, directory, images } = this.#options;
    if (bytesPerSecond === 0) return refused('refused', 403, 'it shares no images');
    let isWanted: boolean;
    try {
      isWanted = await directory.wanted(peer.nodeId, reference);
    } catch (error) {
      return refused('failed', 503, `it cannot ask who may have the image: ${errorMessage(error)}`);
    }
    if (!isWanted) {
      const message = `node ${peer.nodeId} has no task of ${reference} that is to run`;
      return refused('refused', 403, message);
    }
    const found = await images.find(reference);
    if (found.kind === 'ok') return { kind: 'image', image: found.value };
    const { kind, message } = found.failure;
    if (kind === 'not-found') return refused('missing', 404, 'it has the image no more');
    return refused('failed', 503, `its engine does not answer: ${message}`);
  }

  #refuse(response: ServerResponse, { end, status, message }: Refused): void {
    this.#options.metrics.served(end);
    refusal(response, status, message);
  }

  async #send(peer: LinkPeer, image: LocalImage, response: ServerResponse): Promise<void> {
    if (this.#uploads >= uploadsMax)
      return this.#refuse(response, refused('busy', 429, 'it sends to others'));
    this.#uploads += 1;
    try {
      await this.#stream(peer, image, response);
    } finally {
      this.#uploads -= 1;
    }
  }

  async #stream(peer: LinkPeer, { id }: LocalImage, response: ServerResponse): Promise<void> {
    const { images, metrics, logger, clock, stallMsMax = stallMsDefault } = this.#options;
    const end = new AbortController();
    response.once('close', () => end.abort());
    // The engine may take its time: whoever asks is to know that it is on the way.
    response.writeHead(200, { 'content-type': 'application/x-tar', [imageIdHeader]: id });
    response.flushHeaders();
    const passing = (bytes: number): number => {
      metrics.servedBytes(bytes);
      return this.#bucket.take(bytes, clock.monotonic());
    };
    const fields = { image: id, node: peer.nodeId };
    try {
      const archive = await images.export(id, end.signal);
      if (archive.kind === 'failed') throw new Error(archive.failure.message);
      const watched = new WatchedStream({ clock, stallMsMax, passing });
      await pipeline(archive.value, watched, response);
      metrics.served('served');
      logger.info(fields, 'image_served');
    } catch (error) {
      response.destroy();
      metrics.served('failed');
      logger.warn({ ...fields, reason: errorMessage(error) }, 'image_not_served');
    }
  }
}

/** `/images/<reference>` or `/images/<reference>/json`, the reference as one segment. */
function readPath({ method, url = '' }: IncomingMessage): Asked | undefined {
  const parts = /^\/images\/([^/?]+)(\/json)?$/.exec(url);
  if (method !== 'GET' || parts === null) return undefined;
  let reference: string;
  try {
    reference = decodeURIComponent(parts[1] ?? '');
  } catch {
    return undefined;
  }
  if (reference.length > referenceCharsMax || !referenceForm.test(reference)) return undefined;
  return { reference, isQuestion: parts[2] !== undefined };
}

function refused(end: ServeEnd, status: number, message: string): Refused {
  return { kind: 'refused', end, status, message };
}
