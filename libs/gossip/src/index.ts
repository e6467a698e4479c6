export { decodePacket, encodePacket, rumourBytes } from './codec.ts';
export { decodeFrame, encodeFrame } from './frame.ts';
export { FrameSplitter, frameHead } from './frame-splitter.ts';
export { Gossip, type GossipOptions, type Pushed } from './gossip.ts';
export { KeyRotation } from './key-rotation.ts';
export { type GossipKey, gossipKeyBytes, Keyring, sealBytes } from './keyring.ts';
export { frameBytesMax, helloBytesMax, packetBytesMax, pushWaitMs } from './limits.ts';
export type { Member, Rumour, Standing } from './member.ts';
export { Membership, type MembershipOptions } from './membership.ts';
export {
  EndpointTables,
  type EndpointTablesOptions,
  type Heard,
} from './tables/endpoint-tables.ts';
export {
  hostsTable,
  recordBytes,
  type TableNews,
  type TableRecord,
  valueBytesMax,
} from './tables/record.ts';
export type { NetworkChange, ShownRecord } from './tables/view.ts';
export type {
  Answer,
  Frame,
  GossipTransport,
  Packet,
  Probe,
  Question,
  TableDigest,
  TableExchange,
  TableOwners,
} from './transport.ts';
