export {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  type Issued,
  issueCertificate,
  type NodeKey,
  type NodeSubject,
  nodeTlsInfo,
  nodeValidityMs,
  type TlsInfo,
  tlsInfo,
} from './authority.ts';
export { type CertificateSource, type Proof, RenewableProof } from './certificate-source.ts';
export { certificatesOf, isTrusted } from './chain.ts';
export {
  crossSignExternally,
  type ExternalAuthorities,
  type ExternallyIssued,
  externalUrls,
  issueExternally,
} from './external-authority.ts';
export {
  type Authorised,
  callOf,
  channelCredentials,
  channelOptions,
  closeServer,
  peerOf,
  requireRole,
  serverCredentials,
} from './grpc.ts';
export {
  copyIdentity,
  type Identity,
  type IdentityState,
  identityDirectory,
  identityFile,
  loadIdentity,
  lockOf,
  type ManagerAddress,
  removeIdentity,
  setLock,
  unlock,
  updateIdentity,
  writeIdentity,
} from './identity.ts';
export { IdentityFollower } from './identity-follower.ts';
export { isJoinToken, newJoinToken, sameToken, tokenPins } from './join-token.ts';
export { isUnlockKey, type Lock, type LogKey, newUnlockKey } from './keys-file.ts';
export { provenNode, proveRenewal, type RenewalProof } from './renewal-proof.ts';
export {
  type CertificateOutcome,
  type CertificateProof,
  type KnownVoter,
  type ObtainedCertificate,
  requestCertificate,
} from './request-certificate.ts';
export { type NodeRole, roleOf, roleUnit } from './role.ts';
export {
  crossSign,
  finishRotation,
  rotationProgress,
  type SigningRoot,
  signingRoot,
  startRotation,
  trustRootsOf,
} from './rotation.ts';
export { forgetUnlockKeys } from './runtime-directory.ts';
export { newSealKey, type Sealed, seal, unseal } from './seal.ts';
export { listenSecurely, type SecureListener } from './secure-listener.ts';
export { type NodeServer, serveNodes } from './serve-nodes.ts';
export { isStrongKey } from './signing-key.ts';
export { subjectOf } from './subject.ts';
export { clockProblem, nextRenewal, type Validity, validityOf } from './validity.ts';
export { watchIdentity } from './watch.ts';
