import type { Clock, Monotonic, Random, Timer } from '@shoal/runtime';
import type { Cluster, NetworkKeys, Sealed, StateView } from '@shoal/state';
import type { Write } from '../core/writer.ts';
import { keyRotationMs, keysMax } from './limits.ts';

const keyBytes = 32;
const numberBytes = 4;
const writeKey = 'cluster/network-keys';

/** Opens and seals what only managers may read; undefined for what this manager cannot open. */
export interface KeySeal {
  open(sealed: Sealed, place: string): Uint8Array | undefined;
  seal(plain: Uint8Array, place: string): Sealed | undefined;
}

export interface NetworkKeyRotationOptions {
  readonly view: () => StateView;
  readonly seal?: KeySeal | undefined;
  readonly add: (write: Write) => void;
  readonly clock: Clock;
  readonly random: Random;
}

/** Where a key may be opened: a sealed one that was moved elsewhere does not open. */
function placeOf(time: number): string {
  return `cluster/network-key/${time}`;
}

/** Makes the gossip's keys and rotates them: whichever dispatcher gets there first. */
export class NetworkKeyRotation {
  readonly #options: NetworkKeyRotationOptions;
  #timer: Timer | undefined;
  #stopped = false;
  /** The newest key's number, and when it was first seen here. */
  #seen: { readonly time: number; readonly at: Monotonic } | undefined;
  #opened: { readonly keys: NetworkKeys | undefined; readonly ring: Buffer[] } | undefined;

  constructor(options: NetworkKeyRotationOptions) {
    this.#options = options;
  }

  /** At the start, and when the cluster changed. */
  look(): void {
    this.#timer?.cancel();
    const { view, add, clock } = this.#options;
    const { cluster } = view();
    if (this.#stopped || cluster === undefined || this.#options.seal === undefined) return;
    const leftMs = this.#untilRotation(cluster);
    if (leftMs <= 0) add(this.#write());
    this.#timer = clock.after(leftMs <= 0 ? keyRotationMs : leftMs, () => this.look());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** The ring for a session, as it is sent: the newest first, each with its number in front. */
  ring(cluster: Cluster | undefined): Buffer[] {
    const keys = cluster?.networkKeys;
    if (this.#opened === undefined || this.#opened.keys !== keys) {
      this.#opened = { keys, ring: this.#open(keys?.keys ?? []) };
    }
    return this.#opened.ring;
  }

  #open(keys: NetworkKeys['keys']): Buffer[] {
    return keys.flatMap(({ key, time }) => {
      const plain = this.#options.seal?.open(key, placeOf(time));
      if (plain === undefined) return [];
      const number = Buffer.alloc(numberBytes);
      number.writeUInt32BE(time);
      return [Buffer.concat([number, plain])];
    });
  }

  /**
   * By the time of day, which a restart does not forget, but no longer than a key's age after it was first
   * seen: who made it may have had a clock far ahead.
   */
  #untilRotation({ networkKeys }: Cluster): number {
    if (networkKeys === undefined) return 0;
    const { clock } = this.#options;
    const time = networkKeys.keys[0]?.time ?? 0;
    if (this.#seen?.time !== time) this.#seen = { time, at: clock.monotonic() };
    const leftMs = Math.min(networkKeys.rotatedAt - clock.now(), this.#seen.at - clock.monotonic());
    return leftMs + keyRotationMs;
  }

  #write(): Write {
    const { seal, clock, random } = this.#options;
    const isDue = (cluster: Cluster): boolean => this.#untilRotation(cluster) <= 0;
    return {
      key: writeKey,
      actor: { kind: 'stage', name: 'dispatcher' },
      reason: 'gossip keys rotated',
      change(view) {
        const { cluster } = view;
        if (cluster === undefined || !isDue(cluster)) return undefined;
        const before = cluster.networkKeys?.keys ?? [];
        const time = (before[0]?.time ?? 0) + 1;
        const key = seal?.seal(random.bytes(keyBytes), placeOf(time));
        if (key === undefined) return undefined;
        const keys = [{ key, time }, ...before].slice(0, keysMax);
        const networkKeys: NetworkKeys = { keys, rotatedAt: clock.now() };
        return { op: 'update', table: 'cluster', object: { ...cluster, networkKeys } };
      },
      done: () => undefined,
    };
  }
}
