/** Numbers of the DNS protocol (RFC 1035, 2136, 2782, 3596, 6891). */
export const types = {
  A: 1,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;

export const classes = { IN: 1, CH: 3, ANY: 255 } as const;

export const rcodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** Extended code of an EDNS version that is not known; its upper bits travel in the OPT record. */
export const badVersion = 16;

/** Bits of the second word of a header. */
export const flags = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authentic: 0x0020,
  checkingDisabled: 0x0010,
} as const;

export const headerBytes = 12;
/** An OPT record without options. */
export const optBytes = 11;
/** Longest answer over UDP to a client that says nothing of EDNS, bytes. */
export const plainUdpBytes = 512;
/** Longest answer over UDP at all, bytes: passes every link unfragmented (DNS flag day 2020). */
export const udpBytesMax = 1_232;
/** Longest message over TCP, bytes. */
export const tcpBytesMax = 65_535;
/** Of a name on the wire, its lengths and the root included, bytes. */
export const nameBytesMax = 255;
export const labelBytesMax = 63;
