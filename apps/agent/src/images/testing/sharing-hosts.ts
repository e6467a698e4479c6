import { clientOf, type FakeNode, FakeNodes, LinkedHost } from '@shoal/link/testing';
import type { ImageSource } from '@shoal/proto';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { ImageFetcher, type ImageFetcherOptions } from '../image-fetcher.ts';
import type { ImageMetrics } from '../image-metrics.ts';
import { ImagePeers } from '../image-peers.ts';
import { ImageShare, type ImageShareOptions } from '../image-share.ts';
import type { FakeImage } from './fake-archive.ts';
import { FakeImageEngine } from './fake-image-engine.ts';

/** What one host counted. */
class FakeImageMetrics implements ImageMetrics {
  readonly ends: string[] = [];
  bytes = 0;
  wrong = 0;

  fetched(end: string): void {
    this.ends.push(end);
  }

  fetchedBytes(bytes: number): void {
    this.bytes += bytes;
  }

  wrongImage(): void {
    this.wrong += 1;
  }

  served(end: string): void {
    this.ends.push(end);
  }

  servedBytes(bytes: number): void {
    this.bytes += bytes;
  }
}

let cluster: Promise<FakeNodes> | undefined;
const papers = new Map<string, Promise<FakeNode>>();

/** Keys take their time: the same node is the same in all tests. */
async function nodeNamed(nodeId: string): Promise<FakeNode> {
  cluster ??= FakeNodes.create();
  const node = papers.get(nodeId) ?? (await cluster).node('worker', nodeId);
  papers.set(nodeId, Promise.resolve(node));
  return node;
}

/** A host that gives images, over a real link. */
export interface FakeSource {
  readonly engine: FakeImageEngine;
  readonly metrics: FakeImageMetrics;
  readonly host: LinkedHost;
  readonly source: ImageSource;
}

/**
 * Hosts with fake engines and real links between them. All links listen on ports of their own, which real
 * ones do not: each source is asked through a peer of its own.
 */
export class SharingHosts {
  readonly asker: FakeImageEngine;
  readonly metrics = new FakeImageMetrics();
  readonly sources: FakeSource[] = [];
  /** What the swarm says of who needs what. */
  wanted: (nodeId: string, image: string) => boolean = () => true;
  readonly #known: readonly FakeImage[];

  constructor(known: readonly FakeImage[]) {
    this.#known = known;
    this.asker = new FakeImageEngine(known);
  }

  async source(hostname: string, options: Partial<ImageShareOptions> = {}): Promise<FakeSource> {
    const node = await nodeNamed(hostname);
    const engine = new FakeImageEngine(this.#known);
    const metrics = new FakeImageMetrics();
    const share = new ImageShare({
      images: await engine.start(),
      directory: { wanted: async (nodeId, image) => this.wanted(nodeId, image) },
      bytesPerSecond: 1e9,
      clock: systemClock,
      logger: silentLogger,
      metrics,
      ...options,
    });
    const host = new LinkedHost(node);
    host.link.add(share.route);
    await host.start();
    const source = {
      nodeId: node.nodeId,
      hostname,
      addr: '127.0.0.1',
      manager: hostname.startsWith('m'),
      unsaid: false,
    };
    const made = { engine, metrics, host, source };
    this.sources.push(made);
    return made;
  }

  async fetcher(options: Partial<ImageFetcherOptions> = {}): Promise<ImageFetcher> {
    const client = clientOf(await nodeNamed('asker'));
    const peerOf = ({ nodeId }: ImageSource): ImagePeers => {
      const host = this.sources.find((each) => each.source.nodeId === nodeId)?.host;
      const port = host?.address.port ?? 1;
      return new ImagePeers({ link: client, port, clock: systemClock, answerMsMax: 5_000 });
    };
    return new ImageFetcher({
      images: await this.asker.start(),
      directory: { sources: async () => this.sources.map(({ source }) => source) },
      peers: {
        offer: (source, reference) => peerOf(source).offer(source, reference),
        archive: (source, ...rest) => peerOf(source).archive(source, ...rest),
      },
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics: this.metrics,
      ...options,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.sources.flatMap(({ host, engine }) => [host.close(), engine.close()]));
    await this.asker.close();
  }
}
