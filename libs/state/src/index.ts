export * from './address/address.ts';
export * from './address/cidr.ts';
export { macOf } from './address/mac.ts';
export * from './assignment.ts';
export {
  attachedNetworks,
  hasAddresses,
  needsAllocation,
  publishesIngress,
} from './attached-networks.ts';
export { type AuditedChange, type AuditRecord, auditRecords } from './audit/audit-record.ts';
export type { ChangedField } from './audit/changed-fields.ts';
export {
  type Decoded,
  decodeAll,
  decodeAssignment,
  decodeEndpointRecord,
  decodeJson,
  decodeOwnNode,
  endpointRecordShape,
  type OwnNode,
} from './codec/decode.ts';
export {
  changesMax,
  idCharsMax,
  nameCharsMax,
  StateFormatError,
  stateSchema,
  textCharsMax,
  transactionBytesMax,
} from './codec/format.ts';
export { type DecodedPayload, decodePayload, encodePayload } from './codec/payload.ts';
export { snapshotChunkBytes } from './codec/snapshot.ts';
export {
  type DecodedTransaction,
  decodeTransaction,
  encodeTransaction,
} from './codec/transaction-json.ts';
export {
  type Constraint,
  matchesConstraints,
  type ParsedConstraints,
  parseConstraints,
  spreadValue,
} from './constraint.ts';
export {
  type Amounts,
  capacityOf,
  chooseGeneric,
  countsAsReplica,
  type Demand,
  demandOf,
  type HostPort,
  holdsOnNode,
  namedKey,
  namedOf,
  replicasOnNode,
} from './demand.ts';
export { checkDependencyCycle, cycleSearchMax, dependencyCycle } from './dependency-cycle.ts';
export { documentUsers } from './document-users.ts';
export {
  checkDocumentLabels,
  documentLabels,
  isVersioned,
  unusedVersions,
  versionName,
} from './document-versions.ts';
export type { EndpointRecord, RecordPort, RecordService } from './endpoint-record.ts';
export { Fork, forkOf, forkSliceObjects } from './fork.ts';
export { hasImage, imageKey } from './image-name.ts';
export {
  hasJobTaskFailed,
  isJob,
  isRunOver,
  type JobCounts,
  type JobRun,
  type JobStanding,
  jobCounts,
  jobRun,
  jobStatusAfter,
  keepsJobTasks,
  mayRetryJob,
  nextJobStatus,
} from './job.ts';
export {
  type Affinity,
  type AffinityTerm,
  affinityLabels,
  affinityOf,
  affinityTermsMax,
  checkAffinityLabels,
  itself,
} from './labels/affinity.ts';
export {
  type Autoscale,
  autoscaleLabels,
  autoscaleOf,
  checkAutoscaleLabels,
  loadPeriodMs,
} from './labels/autoscale.ts';
export { balancingLabels, balancingOf, checkBalancingLabels } from './labels/balancing.ts';
export { canaryLabel, canarySize, checkCanaryLabel } from './labels/canary.ts';
export {
  type ContainerOptions,
  checkContainerLabels,
  containerOptions,
} from './labels/container.ts';
export {
  checkCronLabels,
  checkCronMode,
  type ParsedSchedule,
  parseSchedule,
  type Schedule,
} from './labels/cron.ts';
export { type CronTimes, lastTime, nextTime } from './labels/cron-times.ts';
export {
  checkDependencyLabels,
  type Dependencies,
  type Dependency,
  type DependencyCondition,
  dependenciesMax,
  dependenciesOf,
  dependencyLabels,
} from './labels/dependencies.ts';
export {
  checkDrainLabels,
  type DrainSettings,
  drainLabels,
  drainSettings,
} from './labels/drain.ts';
export { formatDuration, type ParsedDuration, parseDuration } from './labels/duration.ts';
export { unknownLabels } from './labels/known.ts';
export { checkNodeLabels, removeAfterLabel, removeAfterMs } from './labels/nodes.ts';
export {
  checkPlacementLabels,
  flagOf,
  placementLabels,
  priorityMax,
  priorityOf,
  type Rank,
  rankOf,
} from './labels/placement.ts';
export {
  checkRebalanceLabels,
  movesPerHourDefault,
  movesPerHourLabel,
  movesPerHourMax,
  movesPerHourOf,
  rebalanceKey,
  rebalanceLabel,
} from './labels/rebalance.ts';
export {
  backoffCapDefaultMs,
  backoffCapMs,
  checkRestartLabels,
  restartBackoffLabel,
} from './labels/restart.ts';
export { checkStoppedLabel, isStopped, stoppedLabel } from './labels/stopped.ts';
export { isLocalVolume, isSticky, localVolumes } from './local-volumes.ts';
export { LogClock } from './log-clock.ts';
export {
  networkSpecFault,
  subnetsMax,
  uniqueLocalRange,
  vniMax,
  vniOption,
  vxlanIds,
} from './network-spec.ts';
export { nodeRemoval } from './node-removal.ts';
export * from './objects.ts';
export * from './policy.ts';
export { missingReference, type Reference } from './references.ts';
export { describeRefusal } from './refusal-text.ts';
export { replicasOf, scaledReplicas } from './replicas.ts';
export { rollbackTarget } from './rollback-target.ts';
export { sameTask } from './same-task.ts';
export { isSeenRunning } from './seen-running.ts';
export * from './spec.ts';
export { decodeEntry, type EntryContent, type Restore, State } from './state.ts';
export { type SubnetBlock, subnetBlocks } from './subnet-blocks.ts';
export {
  attachmentsOf,
  type HeldAddress,
  heldAddresses,
  ingressPortsOf,
  portKey,
} from './tables/held.ts';
export * from './task-state.ts';
export { type Expansion, expandTemplate, type TemplateSubject } from './template/expand.ts';
export { CallProblem, type Lookups } from './template/functions.ts';
export * from './transaction.ts';
export { type UnusedDocuments, unusedDocuments } from './unused.ts';
export { isUpToDate, meetsPlacement, type TaskAge, taskAge } from './up-to-date.ts';
export * from './view.ts';
export { type WatchListener, type WatchSelector, watchersMax } from './watchers.ts';
