import type { Random } from '@shoal/runtime';
import { headerBytes } from '../wire/protocol.ts';
import type { Query } from '../wire/query.ts';
import type { Reply } from '../wire/reply-writer.ts';
import type { Origin, Outcome } from './resolver.ts';

/** Questions that are remembered with their answers for one container; of more, all are forgotten. */
const questionsMax = 256;
/** Answers that are remembered for all containers together; of more, all are forgotten. */
const answersMax = 16_384;
/** A longer question is none that comes again and again, bytes. */
const questionBytesMax = 160;
/** Bytes of the number that tells a client's questions apart. */
const idBytes = 2;
/** A pointer to the question's name, then type, class, TTL and length: what is before an answer's address. */
const answerHeadBytes = 12;
const namePointer = 0xc00c;

/** An answer as it goes out, but for the number of the question. */
export interface ReadyAnswer {
  /** What it answers, as it came; its number does not count. */
  readonly question: Buffer;
  readonly type: number;
  readonly outcome: Outcome;
  readonly bytes: Buffer;
  /** Where its addresses stand, all of one length: they change places each time. */
  readonly addresses: { readonly first: number; readonly count: number; readonly length: number };
}

/**
 * Answers to questions that were asked before in the very same bytes: containers ask for few names, and
 * reading, looking up and writing cost more than all the rest. Forgotten when anything that is served changes.
 */
export class ReadyAnswers {
  readonly #random: Random;
  /** By network, address of the container and {@link hashOf} the question. */
  readonly #networks = new Map<string, Map<string, Map<number, ReadyAnswer>>>();
  #answers = 0;
  #generation = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** `generation`: what is served has not changed while it is the same. */
  find(packet: Buffer, origin: Origin, generation: number): ReadyAnswer | undefined {
    if (generation !== this.#generation) this.#forget(generation);
    if (packet.length > questionBytesMax || origin.transport !== 'udp') return undefined;
    const known = this.#networks.get(origin.networkId)?.get(origin.address);
    const ready = known?.get(hashOf(packet));
    return ready !== undefined && isSame(ready.question, packet) ? ready : undefined;
  }

  /** The answer to `packet`, its addresses in an order of chance. */
  give(packet: Buffer, { bytes, addresses }: ReadyAnswer): Buffer {
    if (addresses.count > 1) this.#shuffle(bytes, addresses);
    const answer = Buffer.from(bytes);
    answer[0] = packet[0] ?? 0;
    answer[1] = packet[1] ?? 0;
    return answer;
  }

  /** Remembers an answer where giving it again is right. */
  keep(
    packet: Buffer,
    origin: Origin,
    query: Query,
    reply: Reply,
    answer: Omit<ReadyAnswer, 'question' | 'addresses'>,
  ): void {
    if (packet.length > questionBytesMax || origin.transport !== 'udp') return;
    const addresses = addressesIn(query, reply, answer.bytes);
    if (addresses === undefined) return;
    if (this.#answers >= answersMax) this.#forget(this.#generation);
    const known = this.#of(origin);
    if (known.size >= questionsMax) {
      this.#answers -= known.size;
      known.clear();
    }
    const hash = hashOf(packet);
    // Of two questions of one hash the later one is remembered.
    if (!known.has(hash)) this.#answers += 1;
    // The answer itself goes out meanwhile, and the remembered one changes.
    const bytes = Buffer.from(answer.bytes);
    known.set(hash, { ...answer, question: Buffer.from(packet), bytes, addresses });
  }

  #of({ networkId, address }: Origin): Map<number, ReadyAnswer> {
    let network = this.#networks.get(networkId);
    if (network === undefined) {
      network = new Map();
      this.#networks.set(networkId, network);
    }
    let asker = network.get(address);
    if (asker === undefined) {
      asker = new Map();
      network.set(address, asker);
    }
    return asker;
  }

  #forget(generation: number): void {
    this.#networks.clear();
    this.#answers = 0;
    this.#generation = generation;
  }

  /** Every order is as likely (Fisher and Yates), whatever the order before. */
  #shuffle(bytes: Buffer, { first, count, length }: ReadyAnswer['addresses']): void {
    const step = answerHeadBytes + length;
    for (let last = count - 1; last > 0; last -= 1) {
      const other = Math.floor(this.#random.next() * (last + 1));
      if (other === last) continue;
      const a = first + last * step;
      const b = first + other * step;
      for (let at = 0; at < length; at += 1) {
        const byte = bytes[a + at] ?? 0;
        bytes[a + at] = bytes[b + at] ?? 0;
        bytes[b + at] = byte;
      }
    }
  }
}

/** Of all that matters of a question (FNV-1a). Reading bytes here is cheaper than making a text of them. */
function hashOf(packet: Buffer): number {
  let hash = 0x811c9dc5;
  for (let at = idBytes; at < packet.length; at += 1) {
    hash = Math.imul(hash ^ (packet[at] ?? 0), 0x01000193);
  }
  return hash;
}

function isSame(question: Buffer, packet: Buffer): boolean {
  if (question.length !== packet.length) return false;
  for (let at = idBytes; at < packet.length; at += 1) {
    if (question[at] !== packet[at]) return false;
  }
  return true;
}

/** Undefined for an answer that is not made of addresses of one length alone, or of which a part is missing. */
function addressesIn(
  { question }: Query,
  { answers, additionals }: Reply,
  bytes: Buffer,
): ReadyAnswer['addresses'] | undefined {
  const first = headerBytes + question.length + answerHeadBytes;
  const [one] = answers;
  if (one === undefined) return { first, count: 0, length: 0 };
  const length = one.kind === 'address' ? one.address.length : 0;
  const isPlain = answers.every(({ kind, ...rest }) => {
    return kind === 'address' && 'address' in rest && rest.address.length === length;
  });
  if (!isPlain || additionals.length > 0 || bytes.readUInt16BE(6) < answers.length)
    return undefined;
  for (let at = 0; at < answers.length; at += 1) {
    const head = first - answerHeadBytes + at * (answerHeadBytes + length);
    if (bytes.readUInt16BE(head) !== namePointer) return undefined;
  }
  return { first, count: answers.length, length };
}
