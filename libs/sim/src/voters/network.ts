import type { Arrivals, Envelope, Transport, VoterId } from '@shoal/raft';
import type { Clock } from '@shoal/runtime';
import type { SimulatedProcess } from '../process.ts';
import type { SeededRandom } from '../random.ts';

/** How badly the way between voters behaves; probabilities per message. */
export interface WayFaults {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly loss: number;
  readonly duplication: number;
}

/**
 * The way between simulated voters. Messages are delayed, lost, repeated and overtake each other; each
 * direction between two voters can be cut.
 */
export class VoterNetwork {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #listeners = new Map<VoterId, Arrivals>();
  readonly #cut = new Set<string>();
  faults: WayFaults;

  constructor(clock: Clock, random: SeededRandom, faults: WayFaults) {
    this.#clock = clock;
    this.#random = random;
    this.faults = faults;
  }

  /** Nothing goes from one to the other until {@link heal}. */
  cut(from: VoterId, to: VoterId): void {
    this.#cut.add(way(from, to));
  }

  heal(): void {
    this.#cut.clear();
  }

  transport(id: VoterId, process: SimulatedProcess): Transport {
    return {
      start: (arrivals) => {
        this.#listeners.set(id, arrivals);
      },
      members: () => undefined,
      send: (envelope, content) => {
        if (process.alive) this.#send(envelope, content === undefined ? undefined : [...content]);
      },
      stop: async () => this.left(id),
    };
  }

  /** The voter is gone; what is on its way to it is lost. */
  left(id: VoterId): void {
    this.#listeners.delete(id);
  }

  #send(envelope: Envelope, content: readonly Uint8Array[] | undefined): void {
    const { loss, duplication } = this.faults;
    const copies = this.#random.chance(loss) ? 0 : this.#random.chance(duplication) ? 2 : 1;
    if (copies === 0) this.#lost(envelope);
    for (let copy = 0; copy < copies; copy += 1)
      this.#clock.after(this.#delay(), () => this.#arrive(envelope, content));
  }

  #delay(): number {
    const { delayMsMin, delayMsMax } = this.faults;
    return delayMsMin + this.#random.next() * (delayMsMax - delayMsMin);
  }

  #arrive(envelope: Envelope, content: readonly Uint8Array[] | undefined): void {
    const { from, to, message } = envelope;
    const listener = this.#listeners.get(to);
    if (listener === undefined || this.#cut.has(way(from, to))) this.#lost(envelope);
    else listener.received(from, message, content && inPieces(content));
  }

  /** Only of a snapshot does the sender learn that it did not get through. */
  #lost({ from, to, message }: Envelope): void {
    if (message.kind !== 'snapshot') return;
    this.#clock.after(this.#delay(), () => this.#listeners.get(from)?.snapshotLost(to));
  }
}

function way(from: VoterId, to: VoterId): string {
  return `${from}>${to}`;
}

async function* inPieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
