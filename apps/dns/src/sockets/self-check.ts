import type { Socket } from 'node:dgram';
import type { Random } from '@shoal/runtime';
import { decode, encode } from 'dns-packet';
import { selfCheckName } from '../server/resolver.ts';

/** Asks one of our own addresses, from inside its network, and keeps whether the answer came. */
export class SelfCheck {
  readonly #probe: Socket;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #random: Random;
  /** Id of the question that is not answered yet. */
  #waiting: number | undefined;
  #missed = 0;

  constructor(
    probe: Socket,
    server: { readonly address: string; readonly port: number },
    random: Random,
  ) {
    this.#probe = probe;
    this.#server = server;
    this.#random = random;
    probe.on('message', (packet) => {
      if (idOfAnswer(packet) !== this.#waiting) return;
      this.#waiting = undefined;
      this.#missed = 0;
    });
    probe.on('error', () => undefined);
  }

  /** Questions in a row without an answer. */
  get missed(): number {
    return this.#missed;
  }

  /** Counts the last question as missed if it still waits, and asks the next. */
  ask(): void {
    if (this.#waiting !== undefined) this.#missed += 1;
    const [high = 0, low = 0] = this.#random.bytes(2);
    const id = high * 256 + low;
    this.#waiting = id;
    const packet = encode({
      type: 'query',
      id,
      questions: [{ type: 'TXT', class: 'CH', name: selfCheckName }],
    });
    this.#probe.send(packet, this.#server.port, this.#server.address, () => undefined);
  }
}

function idOfAnswer(packet: Buffer): number | undefined {
  try {
    const { type, id, flags = 0 } = decode(packet);
    return type === 'response' && (flags & 0xf) === 0 ? id : undefined;
  } catch {
    return undefined;
  }
}
