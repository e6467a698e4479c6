import { labelBytesMax, nameBytesMax } from './protocol.ts';

/** Labels of a name at most: each takes two bytes. */
const labelsMax = 127;
const pointerMark = 0xc0;
const dot = 0x2e;
const upperA = 0x41;
const upperZ = 0x5a;
const toLower = 0x20;

export interface NameRead {
  /** Lower case, without the dot at the end; a dot within a label is written `\.`. */
  readonly name: string;
  /** Offset after the name. */
  readonly end: number;
}

/**
 * Reads the name of a question, where nothing before it could be pointed at: so a pointer is malformed.
 * Undefined when it is malformed.
 */
export function readQuestionName(packet: Uint8Array, start: number): NameRead | undefined {
  let name = '';
  let at = start;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > labelBytesMax) return undefined;
    at += 1;
    if (length === 0) return { name, end: at };
    const end = at + length;
    if (end >= packet.length || end + 1 - start > nameBytesMax) return undefined;
    if (name !== '') name += '.';
    for (; at < end; at += 1) {
      const byte = packet[at] ?? 0;
      if (byte === dot) name += '\\.';
      else name += String.fromCharCode(byte >= upperA && byte <= upperZ ? byte | toLower : byte);
    }
  }
}

/** Offset after the name at `start`, pointers not followed; undefined when it is malformed. */
export function skipName(packet: Uint8Array, start: number): number | undefined {
  let at = start;
  for (let labels = 0; labels <= labelsMax; labels += 1) {
    const length = packet[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if ((length & pointerMark) === pointerMark) {
      return at + 2 <= packet.length ? at + 2 : undefined;
    }
    if (length > labelBytesMax) return undefined;
    at += length + 1;
  }
  return undefined;
}

/**
 * A name in the form that {@link readQuestionName} gives: one character for each byte of its UTF-8, and
 * of letters only A to Z in lower case, which is all that DNS treats alike.
 */
export function canonicalName(name: string): string {
  const bytes = Buffer.from(name, 'utf8').toString('latin1');
  return bytes.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Whether a name in canonical form can be written on the wire. */
export function isEncodable(name: string): boolean {
  // Each label has a length before it, and the root comes last.
  if (name.length + 2 > nameBytesMax) return false;
  return name.split('.').every((label) => label.length > 0 && label.length <= labelBytesMax);
}
