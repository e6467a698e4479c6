export {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  type Issued,
  issueCertificate,
  type NodeKey,
  type NodeSubject,
  nodeValidityMs,
  type TlsInfo,
  tlsInfo,
} from './authority.ts';
export {
  type Authorised,
  channelCredentials,
  channelOptions,
  peerOf,
  requireRole,
  serverCredentials,
} from './grpc.ts';
export {
  type Identity,
  type IdentityState,
  identityDirectory,
  identityFile,
  loadIdentity,
  type ManagerAddress,
  removeIdentity,
  writeIdentity,
} from './identity.ts';
export { isJoinToken, newJoinToken, sameToken, tokenPins } from './join-token.ts';
export { type NodeRole, roleOf, roleUnit } from './role.ts';
export { newSealKey, type Sealed, seal, unseal } from './seal.ts';
export { subjectOf } from './subject.ts';
export { watchIdentity } from './watch.ts';
