import { type GossipKey, gossipKeyBytes } from '@shoal/gossip';

const numberBytes = 4;

/** Keys as a session brings them: a number of four bytes, then the key. Others are left out. */
export function readGossipKeys(keys: readonly Uint8Array[]): readonly GossipKey[] {
  return keys.flatMap((bytes) => {
    if (bytes.length !== numberBytes + gossipKeyBytes) return [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return [{ number: view.getUint32(0), key: bytes.subarray(numberBytes) }];
  });
}
