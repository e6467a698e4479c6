import type { LinkClient, LinkRoute } from '@shoal/link';
import type { DispatcherClient } from '@shoal/proto';
import type { Clock, Logger, Random } from '@shoal/runtime';
import type { EngineImages } from './engine-images.ts';
import { DispatcherDirectory } from './image-directory.ts';
import { type FetchImage, ImageFetcher } from './image-fetcher.ts';
import type { ImageMetrics } from './image-metrics.ts';
import { ImagePeers } from './image-peers.ts';
import { ImageShare } from './image-share.ts';
import { tellings } from './limits.ts';
import { TokenBucket } from './token-bucket.ts';

export interface HostImagesOptions {
  readonly images: EngineImages;
  readonly link: Pick<LinkClient, 'request'>;
  /** Where the links of hosts listen. */
  readonly port: number;
  /** Of what is given to other hosts, all together; 0: nothing is. */
  readonly bytesPerSecond: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: ImageMetrics;
}

const msPerSecond = 1_000;

/** What a node gives to other nodes of its images, and takes from them. */
export class HostImages {
  readonly #options: HostImagesOptions;
  readonly #directory: DispatcherDirectory;
  readonly #share: ImageShare;
  readonly #fetcher: ImageFetcher;
  readonly #end = new AbortController();

  constructor(options: HostImagesOptions) {
    this.#options = options;
    const { images, link, port, bytesPerSecond, clock, random, logger, metrics } = options;
    const directory = new DispatcherDirectory(clock);
    const peers = new ImagePeers({ link, port, clock });
    const parts = { images, directory, clock, logger, metrics };
    this.#directory = directory;
    this.#share = new ImageShare({ ...parts, bytesPerSecond });
    this.#fetcher = new ImageFetcher({ ...parts, peers, random });
  }

  /** What this host answers to others. */
  get route(): LinkRoute {
    return this.#share.route;
  }

  readonly fetch: FetchImage = (request) => this.#fetcher.fetch(request);

  /** A session began, or the last one ended. */
  session(client: DispatcherClient | undefined): void {
    this.#directory.session(client);
  }

  /** Calls `tell` soon after the engine's images changed: at once as a rule, not more often than is good. */
  onChange(tell: () => void): void {
    const { images, clock } = this.#options;
    const { inARow, everyMs } = tellings;
    const bucket = new TokenBucket({ most: inARow, perSecond: msPerSecond / everyMs });
    let isDue = false;
    images.watch(this.#end.signal, clock, () => {
      if (isDue) return;
      isDue = true;
      clock.after(bucket.take(1, clock.monotonic()), () => {
        isDue = false;
        if (!this.#end.signal.aborted) tell();
      });
    });
  }

  stop(): void {
    this.#end.abort();
  }
}
