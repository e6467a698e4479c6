export { type CipherKey, type RecordCipher, recordCipher } from './cipher.ts';
export type { Envelope, LogPosition, Message } from './core/messages.ts';
export { type Disk, DiskError, type DiskFile } from './disk/disk.ts';
export { fileSystem } from './disk/file-system.ts';
export type { StateMachine } from './machine.ts';
export { defaultOptions, type RaftOptions } from './node/options.ts';
export type {
  ChangeFailure,
  ChangeOutcome,
  Failure,
  ProposeOutcome,
  ReadIndexOutcome,
  TransferOutcome,
} from './node/outcomes.ts';
export { RaftNode } from './node/raft-node.ts';
export type { RaftNodeStart } from './node/start.ts';
export type { PeerStatus, RaftStatus } from './node/status.ts';
export type { Arrivals, Transport } from './node/transport.ts';
export {
  CorruptStorageError,
  type LogStorage,
  type Recovered,
  type StorageError,
  type StoreResult,
  type StoreWork,
} from './storage.ts';
export type {
  Entry,
  HardState,
  Member,
  Membership,
  MembershipChange,
  SnapshotMeta,
  VoterId,
} from './types.ts';
export { DirectoryLockedError } from './wal/directory-lock.ts';
export { type LogStorageOptions, openLogStorage } from './wal/log-storage.ts';
