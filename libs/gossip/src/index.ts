export { decodeList, decodePacket, encodeList, encodePacket, rumourBytes } from './codec.ts';
export { type GossipKey, gossipKeyBytes, Keyring } from './keyring.ts';
export type { Member, Rumour, Standing } from './member.ts';
export { Membership, type MembershipOptions } from './membership.ts';
export type { GossipTransport, Packet, Probe } from './transport.ts';
