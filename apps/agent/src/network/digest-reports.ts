import { servedDigest } from '@shoal/overlay';
import type { NetworkDigest, NetworkDigests } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import type { HostFeed } from './feed.ts';
import type { OverlayPort } from './ports.ts';
import type { NetworkTables } from './tables.ts';

/** What is served is told so soon after it changed, and so often at least; milliseconds. */
const digestMs = { changed: 200, regular: 3_000 } as const;

export interface DigestReportsOptions {
  readonly tables: NetworkTables;
  readonly feed: HostFeed;
  readonly overlay: OverlayPort;
  readonly clock: Clock;
  /** Hosts that answer nothing at all. */
  readonly silent: () => readonly string[];
  /** Containers run by hand that are in networks; undefined while not all containers are known. */
  readonly attachments: () => readonly string[] | undefined;
}

/** Tells a dispatcher in a few bytes what this host serves, when that changed and every few seconds. */
export class DigestReports {
  readonly #options: DigestReportsOptions;
  #timer: Timer;
  #soon = false;
  #listener: (digests: NetworkDigests) => void = () => undefined;

  constructor(options: DigestReportsOptions) {
    this.#options = options;
    this.#timer = this.#later(digestMs.regular);
  }

  /** Called with digests from now on, until called again. */
  onReport(listener: (digests: NetworkDigests) => void): void {
    this.#listener = listener;
  }

  changed(): void {
    if (this.#soon) return;
    this.#soon = true;
    this.#timer.cancel();
    this.#timer = this.#later(digestMs.changed);
  }

  stop(): void {
    this.#timer.cancel();
    this.#listener = () => undefined;
  }

  now(): NetworkDigests {
    const { tables, attachments } = this.#options;
    const known = tables.ids.filter((id) => tables.get(id)?.known === true);
    return {
      digests: known.map((networkId) => this.#digest(networkId)),
      attachments: [...(attachments() ?? [])],
      attachmentsKnown: attachments() !== undefined,
    };
  }

  #digest(networkId: string): NetworkDigest {
    const { tables, feed, overlay } = this.#options;
    const names = feed.servedBy('dns', networkId);
    const balancer = feed.servedBy('ingress-lb', networkId);
    const peers = overlay.programmedPeers(networkId);
    const own = tables.get(networkId)?.own() ?? [];
    return {
      networkId,
      names: names?.digest ?? '',
      balancer: balancer?.digest ?? '',
      peers: peers === undefined ? '' : servedDigest([...peers, ...own], 'peers'),
      problems: [
        ...(names?.problems ?? []),
        ...(balancer?.problems ?? []),
        ...this.#silences(networkId),
      ],
    };
  }

  /** Tasks that the log would have served and this host cannot reach. */
  #silences(networkId: string): readonly string[] {
    const { tables, silent } = this.#options;
    const hosts = new Set(silent());
    if (hosts.size === 0) return [];
    const concerned = new Set(
      tables
        .known(networkId)
        .flatMap(({ nodeId, serving }) => (serving && hosts.has(nodeId) ? nodeId : [])),
    );
    return [...concerned].map((host) => `node ${host} does not answer: its tasks are left out`);
  }

  #later(delayMs: number): Timer {
    return this.#options.clock.after(delayMs, () => {
      this.#soon = false;
      this.#timer = this.#later(digestMs.regular);
      this.#listener(this.now());
    });
  }
}
