export { type ContainerUsage, containerStats, containerUsage } from './container-stats.ts';
export {
  checkTemplatingVersion,
  type DocumentKind,
  type DocumentRequest,
  documentBytesMax,
  parseDocument,
  parseNewDocument,
} from './documents/request.ts';
export { configShape, documentFilter, secretShape } from './documents/shape.ts';
export {
  ApiError,
  apiErrors,
  invalidArgument,
  type ObjectKind,
  type RpcCode,
  rpcError,
  type VersionedKind,
} from './errors.ts';
export { eventPasses, type SwarmEvent, swarmEvent } from './events.ts';
export { type Filters, filterKeys, hasLabels, parseFilters, passes } from './filters.ts';
export { decode, isJsonContentType, parseJson } from './json.ts';
export {
  isTrue,
  type LogOptions,
  type LogOrigin,
  type LogStreamName,
  logContentType,
  logGapWarning,
  logLine,
  logPrefix,
  logStreams,
  parseLogOptions,
} from './logs.ts';
export { type FilteredNetwork, networkFilter } from './network/filter.ts';
export { isPredefinedName, standInLabel } from './network/names.ts';
export { networkSpec } from './network/spec.ts';
export {
  type ConnectRequest,
  isForSwarm,
  type NetworkRequest,
  parseConnectRequest,
  parseNetworkRequest,
} from './requests/network.ts';
export { parseNodeSpec } from './requests/node-spec.ts';
export type { ServiceSpecRequest } from './requests/service-spec.ts';
export {
  asksForNewCluster,
  type ClusterSpecRequest,
  clusterDefaults,
  defaultDataPathPort,
  mergeClusterSpec,
  parseSwarmInit,
  parseSwarmJoin,
  parseSwarmUnlock,
  parseSwarmUpdate,
  type SwarmInit,
  type SwarmJoin,
  type SwarmUpdate,
} from './requests/swarm.ts';
export {
  resolveDocument,
  resolveNetwork,
  resolveNode,
  resolveService,
  resolveTask,
} from './resolve.ts';
export { isImageReference } from './service/image.ts';
export { type NormalisedSpec, normaliseServiceSpec } from './service/normalise.ts';
export { parseServiceSpec, readServiceSpec } from './service/parse.ts';
export { randomName } from './service/random-name.ts';
export { type Surroundings, validateServiceSpec } from './service/validate.ts';
export { type NetworkShape, networkShape, predefinedLabel } from './shapes/network.ts';
export {
  balancerShape,
  type ContainerShape,
  networkServicesShape,
  peersShape,
} from './shapes/network-detail.ts';
export { nodeFilter, nodeShape, type Quorum, type Reachability } from './shapes/node.ts';
export {
  currentRevision,
  gatheredServiceShape,
  gatherService,
  modeName,
  type ServiceShapeOptions,
  serviceFilter,
  serviceShape,
} from './shapes/service.ts';
export { serviceSpecShape } from './shapes/service-spec.ts';
export {
  clusterShape,
  infoSwarmShape,
  type LocalSwarm,
  pingSwarmHeader,
  swarmShape,
  type TlsShape,
  twoManagersWarning,
} from './shapes/swarm.ts';
export { shownTasks, taskShape } from './shapes/task.ts';
export { TaskTexts } from './shapes/task-list.ts';
export {
  isTimeBefore,
  type NanoTime,
  nanoTime,
  parseTime,
  rfc3339Nano,
  rfc3339NanoFixed,
} from './time.ts';
export {
  type ApiVersion,
  formatVersion,
  isOlder,
  maxVersion,
  minVersion,
  olderOf,
  parseVersion,
  splitVersion,
  type VersionedPath,
} from './version.ts';
