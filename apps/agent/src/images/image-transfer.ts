import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ImageSource } from '@shoal/proto';
import { type Clock, errorMessage, type Logger } from '@shoal/runtime';
import { ArchiveCheck, WrongImageError } from './archive-check.ts';
import type { EngineImages } from './engine-images.ts';
import type { ImageMetrics } from './image-metrics.ts';
import type { ImagePeers } from './image-peers.ts';
import type { ImageOffer } from './image-share.ts';
import {
  archiveMsMax,
  loadMsMax,
  progressEveryMs,
  stallMsMax as stallMsDefault,
} from './limits.ts';
import { shortName } from './reference.ts';
import { WatchedStream } from './watched-stream.ts';

export type TransferEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface TransferOptions {
  readonly images: Pick<EngineImages, 'inspect' | 'load' | 'adopt' | 'removeNameless'>;
  readonly peers: Pick<ImagePeers, 'archive'>;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly logger: Logger;
  readonly metrics: ImageMetrics;
  readonly stallMsMax?: number;
}

export interface Transfer {
  readonly reference: string;
  readonly source: ImageSource;
  /** The source's name for people. */
  readonly name: string;
  readonly offer: ImageOffer;
  /** Whether other hosts may hear that the reference is this image. */
  readonly isConfirmed: boolean;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

const bytesPerMegabyte = 1_000_000;

/** Brings one image from one host into this host's engine. */
export async function transferImage(
  options: TransferOptions,
  transfer: Transfer,
): Promise<TransferEnd> {
  const { peers, metrics, logger } = options;
  const { reference, source, offer } = transfer;
  const answer = await peers.archive(source, reference, offer.id);
  if (answer.kind !== 'ok') return answer;
  const archive = answer.value;
  const end = await take(options, transfer, archive).catch((error: unknown): TransferEnd => {
    if (error instanceof WrongImageError) metrics.wrongImage();
    const brokeOff = error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
    return failed(brokeOff ? 'it broke off' : errorMessage(error));
  });
  archive.destroy();
  const fields = { image: reference, id: offer.id, from: source.nodeId };
  if (end.kind === 'failed') logger.warn({ ...fields, reason: end.reason }, 'image_not_fetched');
  else {
    metrics.fetched('fetched');
    logger.info(fields, 'image_fetched');
  }
  return end;
}

async function take(
  options: TransferOptions,
  transfer: Transfer,
  archive: IncomingMessage,
): Promise<TransferEnd> {
  const { images, clock, stallMsMax = stallMsDefault } = options;
  const { reference, offer, isConfirmed, signal } = transfer;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  signal.addEventListener('abort', stop);
  const passing = told(options, transfer);
  const watched = new WatchedStream({ clock, stallMsMax, firstMsMax: archiveMsMax, passing });
  const check = new ArchiveCheck(offer.id);
  const loading = images.load(check, abort.signal);
  const late = clock.after(loadMsMax, stop);
  let loaded: Awaited<typeof loading>;
  try {
    // An engine that has answered takes nothing more.
    await Promise.race([pipeline(archive, watched, check, { signal: abort.signal }), loading]);
    loaded = await loading;
  } catch (error) {
    stop();
    throw error;
  } finally {
    late.cancel();
    signal.removeEventListener('abort', stop);
    check.destroy();
  }
  if (check.errored !== null) throw check.errored;
  if (loaded.kind === 'failed')
    return failed(`the engine here does not take it: ${loaded.failure.message}`);
  const found = await images.inspect(offer.id);
  if (found.kind === 'failed') {
    for (const id of loaded.value) await images.removeNameless(id);
    return failed('the engine here made another image of it');
  }
  const adopted = await images.adopt(reference, found.value, isConfirmed);
  if (adopted.kind === 'ok') return { kind: 'done' };
  return failed(`the engine here does not tag it: ${adopted.failure.message}`);
}

function failed(reason: string): TransferEnd {
  return { kind: 'failed', reason };
}

/** Counts what comes, and says so now and then. */
function told(
  { clock, metrics }: TransferOptions,
  { reference, name, offer, progress }: Transfer,
): (bytes: number) => number {
  const total = megabytes(offer.size);
  const begin = `fetching image ${shortName(reference)} from node ${name}`;
  let received = 0;
  let toldAt = clock.monotonic();
  progress(`${begin}: 0 of ${total} MB`);
  return (bytes) => {
    metrics.fetchedBytes(bytes);
    received += bytes;
    if (clock.monotonic() - toldAt >= progressEveryMs) {
      toldAt = clock.monotonic();
      // An archive is a little more than the layers in it.
      progress(`${begin}: ${megabytes(Math.min(received, offer.size))} of ${total} MB`);
    }
    return 0;
  };
}

function megabytes(bytes: number): string {
  const amount = bytes / bytesPerMegabyte;
  return amount < 10 ? amount.toFixed(1) : String(Math.round(amount));
}
