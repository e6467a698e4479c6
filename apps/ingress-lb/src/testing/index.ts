/** For the suite in a virtual machine and for benchmarks. */
export { type Balancing, emptyBalancing, type VirtualServer } from '../desired/balancing.ts';
export { nftablesBackend } from '../nftables/backend.ts';
export type { Case } from './asking.ts';
export type { Tally } from './peer.ts';
export { type Peer, startPeer } from './peers.ts';
export { cases } from './suite.ts';
export { publishedPort, World } from './world.ts';
