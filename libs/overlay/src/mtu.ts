/** What a tunnel adds to each packet: inner Ethernet 14, outer IP, UDP 8, VXLAN 8; bytes. */
const tunnelBytes = { ipv4: 14 + 20 + 8 + 8, ipv6: 14 + 40 + 8 + 8 } as const;
/** WireGuard: outer IPv6 40 (the worst case, as its own tools count), UDP 8, header and tag 32; bytes. */
const encryptionBytes = 40 + 8 + 32;

export interface Underlay {
  /** MTU of the host's device that carries the tunnels. */
  readonly mtu: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** MTU of the device that encrypts, in front of the underlay. */
export function encryptedUnderlayMtu(underlayMtu: number): number {
  return underlayMtu - encryptionBytes;
}

/** MTU of a network's interfaces, so that nothing needs to be fragmented on its way to another host. */
export function overlayMtu(underlay: Underlay, encrypted: boolean): number {
  return underlay.mtu - tunnelBytes[underlay.family] - (encrypted ? encryptionBytes : 0);
}
