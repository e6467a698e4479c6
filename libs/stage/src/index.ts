export {
  RemoteReplica,
  type RemoteReplicaOptions,
  type ReplicaStream,
} from './follower/remote-replica.ts';
export { LeaseHolder, type LeaseHolderOptions } from './lease.ts';
export { type Ownership, ownershipOf, rendezvous } from './ownership.ts';
export * from './replica.ts';
export { type StageMetrics, stageMetrics } from './shell/metrics.ts';
export type {
  HeldLease,
  LeaseSource,
  RunningStage,
  StageHealth,
  StageOptions,
} from './shell/options.ts';
export { runStage } from './shell/shell.ts';
export * from './stage.ts';
