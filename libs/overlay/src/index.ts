export { type AskNetworkOptions, askNetwork } from './ask-network.ts';
export { decodeNodeNetwork, nodeNetworkShape } from './decode.ts';
export { type DigestConsumer, isBalanced, isNamed, servedDigest } from './digest.ts';
export {
  type Following,
  type FollowOptions,
  followHostNetworks,
  type HostConsumer,
  type ReportedNetwork,
  updateBytesMax,
} from './follow.ts';
export { type HostTable, HostTables } from './host-tables.ts';
export { attachmentRecord, impliedRecord, impliedRecords, taskNetworks } from './implied.ts';
export { encryptedUnderlayMtu, overlayMtu, type Underlay } from './mtu.ts';
export {
  balancerEndpointId,
  hostNetworksSocket,
  nameserversOption,
  namespaceName,
  namespacePath,
  searchDomain,
} from './names.ts';
export type {
  EncryptedHost,
  HostNetwork,
  HostNetworkChange,
  LocalEndpoint,
  NodeNetwork,
  OverlaySubnet,
} from './networks.ts';
export { isEncrypted, nodeNetwork, nodeNetworks } from './node-networks.ts';
export { reachedAt, vtepOf } from './vtep.ts';
