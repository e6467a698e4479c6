import type { ImageSource } from '@shoal/proto';
import { errorMessage, type Random } from '@shoal/runtime';
import { Limiter } from '../executor/limiter.ts';
import { type ChosenImage, chooseImage, type Offered } from './image-choice.ts';
import type { ImageDirectory } from './image-directory.ts';
import type { FetchEnd } from './image-metrics.ts';
import type { ImagePeers } from './image-peers.ts';
import { type TransferOptions, transferImage } from './image-transfer.ts';
import { busyMsMax, busyRetryMs, fetchesMax, unknownMsMax } from './limits.ts';
import { shortName } from './reference.ts';

/** How the search for an image among the hosts of the cluster ended. */
export type Fetched =
  | { readonly kind: 'fetched' }
  | {
      readonly kind: 'none';
      /** Why each node that should have it did not give it, one sentence each. */
      readonly reasons: readonly string[];
      /** Workers have it, who are believed only when no registry can be asked. */
      readonly isUnconfirmed?: boolean;
    };

/** An image that is to be fetched. */
export interface FetchRequest {
  /** The image as a spec names it. */
  readonly reference: string;
  /**
   * No registry gave it: what workers say a digest stands for is believed, and managers are asked that do
   * not say that they have the image.
   */
  readonly isLast: boolean;
  readonly signal: AbortSignal;
  /** Told how far the fetch is, in whole texts for people. */
  readonly progress: (text: string) => void;
}

/** Fetches an image from other hosts of the cluster. */
export type FetchImage = (request: FetchRequest) => Promise<Fetched>;

export interface ImageFetcherOptions extends TransferOptions {
  readonly directory: Pick<ImageDirectory, 'sources'>;
  readonly peers: Pick<ImagePeers, 'offer' | 'archive'>;
  readonly random: Pick<Random, 'next'>;
}

/** How one round over all nodes that have the image ended. */
type Round =
  | Fetched
  | { readonly kind: 'busy'; readonly nodes: readonly string[] }
  /** No manager says which nodes have it. */
  | { readonly kind: 'unknown' };

/** Finds an image that this host's engine lacks on other hosts, and brings it here. */
export class ImageFetcher {
  readonly #options: ImageFetcherOptions;
  readonly #limiter = new Limiter(fetchesMax);

  constructor(options: ImageFetcherOptions) {
    this.#options = options;
  }

  readonly fetch: FetchImage = async (request) => {
    const { metrics } = this.#options;
    const fetched = await this.#untilKnown(request);
    if (fetched.kind === 'none') metrics.fetched(endOf(fetched, request.signal));
    return fetched;
  };

  async #untilKnown(request: FetchRequest): Promise<Fetched> {
    const { reference, signal, progress } = request;
    const { clock, random } = this.#options;
    const begun = clock.monotonic();
    for (;;) {
      const round = await this.#limiter.run(() => this.#round(request));
      if (round.kind === 'fetched' || round.kind === 'none') return round;
      const nodes = round.kind === 'busy' ? round.nodes : [];
      const msMax = round.kind === 'busy' ? busyMsMax : unknownMsMax;
      if (signal.aborted || clock.monotonic() - begun >= msMax)
        return { kind: 'none', reasons: nodes.map((node) => `node ${node}: it sends to others`) };
      const cause = round.kind === 'busy' ? `${listed(nodes)} to others` : 'no manager answers';
      progress(`waiting for image ${shortName(reference)}: ${cause}`);
      await this.#pause(busyRetryMs * (0.5 + random.next()), signal);
    }
  }

  async #round(request: FetchRequest): Promise<Round> {
    const { reference, signal, isLast } = request;
    const { directory, peers, logger } = this.#options;
    let sources: readonly ImageSource[];
    try {
      sources = await directory.sources(reference, isLast);
    } catch (error) {
      logger.warn({ image: reference, reason: errorMessage(error) }, 'image_sources_unknown');
      return { kind: 'unknown' };
    }
    const reasons: string[] = [];
    const offers: Offered[] = [];
    const answers = await Promise.all(sources.map((source) => peers.offer(source, reference)));
    for (const [at, source] of sources.entries()) {
      const answer = answers[at];
      if (answer?.kind === 'ok') offers.push({ source, offer: answer.value });
      else if (answer?.kind === 'failed' && !source.unsaid)
        reasons.push(`node ${nameOf(source)}: ${answer.reason}`);
    }
    const [first, ...others] = offers;
    if (first === undefined || signal.aborted) return { kind: 'none', reasons };
    const choice = chooseImage(reference, [first, ...others], isLast);
    if (choice.kind === 'chosen') return this.#from(request, choice, reasons);
    const { reason, isUnconfirmed } = choice;
    return { kind: 'none', reasons: [...reasons, reason], isUnconfirmed };
  }

  /** One node after the other, until the image is here. */
  async #from(
    { reference, signal, progress }: FetchRequest,
    { offer, sources, isConfirmed, note }: ChosenImage,
    reasons: string[],
  ): Promise<Round> {
    const { images, metrics } = this.#options;
    const present = await images.inspect(offer.id);
    if (present.kind === 'ok') {
      await images.adopt(reference, present.value, isConfirmed);
      metrics.fetched('present');
      return { kind: 'fetched' };
    }
    const busy: string[] = [];
    for (const source of sources) {
      const end = await transferImage(this.#options, {
        reference,
        source,
        offer,
        isConfirmed,
        signal,
        name: nameOf(source),
        progress: (text) => progress(note === '' ? text : `${text}; ${note}`),
      });
      if (end.kind === 'done') return { kind: 'fetched' };
      if (signal.aborted) break;
      if (end.kind === 'busy') busy.push(nameOf(source));
      else reasons.push(`node ${nameOf(source)}: ${end.reason}`);
    }
    return busy.length > 0 && !signal.aborted
      ? { kind: 'busy', nodes: busy }
      : { kind: 'none', reasons };
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = clock.after(ms, done);
      signal.addEventListener('abort', done);
    });
  }
}

function endOf({ reasons }: Fetched & { readonly kind: 'none' }, signal: AbortSignal): FetchEnd {
  if (signal.aborted) return 'cancelled';
  return reasons.length === 0 ? 'no-source' : 'failed';
}

function nameOf({ hostname, nodeId }: ImageSource): string {
  return hostname === '' ? nodeId : hostname;
}

function listed(nodes: readonly string[]): string {
  return nodes.length === 1 ? `node ${nodes[0]} sends` : `nodes ${nodes.join(', ')} send`;
}
