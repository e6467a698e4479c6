export * from './assignment.ts';
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
  countsAsReplica,
  type Demand,
  demandOf,
  type HostPort,
  holdsOnNode,
  replicasOnNode,
} from './demand.ts';
export * from './objects.ts';
export { describeRefusal } from './refusal-text.ts';
export { sameTask } from './same-task.ts';
export * from './spec.ts';
export { type Restore, State } from './state.ts';
export * from './task-state.ts';
export * from './transaction.ts';
export { isUpToDate, meetsPlacement, type TaskAge, taskAge } from './up-to-date.ts';
export * from './view.ts';
export { type WatchListener, type WatchSelector, watchersMax } from './watchers.ts';
