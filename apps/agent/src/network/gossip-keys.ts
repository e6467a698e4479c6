import { type GossipKey, gossipKeyBytes } from '@shoal/gossip';

const numberBytes = 4;

/** Keys as a session brings them: a number of four bytes, then the key. Newest first; what is none is left out. */
export function readGossipKeys(keys: readonly Uint8Array[]): readonly GossipKey[] {
  const read = keys.flatMap((bytes) => {
    if (bytes.length !== numberBytes + gossipKeyBytes) return [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return [{ number: view.getUint32(0), key: bytes.subarray(numberBytes) }];
  });
  return read.sort((a, b) => b.number - a.number);
}

/** The form that {@link readGossipKeys} reads. */
export function writeGossipKey({ number, key }: GossipKey): Buffer {
  const head = Buffer.alloc(numberBytes);
  head.writeUInt32BE(number);
  return Buffer.concat([head, key]);
}
