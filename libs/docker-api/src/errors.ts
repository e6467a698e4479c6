/** gRPC codes that Docker's cluster layer shows in its messages, with the HTTP status each becomes. */
const rpcStatus = {
  InvalidArgument: 400,
  FailedPrecondition: 400,
  NotFound: 404,
  AlreadyExists: 409,
  PermissionDenied: 403,
  Unimplemented: 501,
  Unavailable: 503,
  Unknown: 500,
  DeadlineExceeded: 500,
} as const;

export type RpcCode = keyof typeof rpcStatus;

/** A refusal in Docker's words: the HTTP status and the `message` of the body. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What Docker's cluster store answers: its gRPC rendering stays in the text. */
export function rpcError(code: RpcCode, description: string): ApiError {
  return new ApiError(rpcStatus[code], `rpc error: code = ${code} desc = ${description}`);
}

export function invalidArgument(description: string): ApiError {
  return rpcError('InvalidArgument', description);
}

export type ObjectKind = 'service' | 'node' | 'task' | 'network' | 'secret' | 'config';

/** What an update names the version of. */
export type VersionedKind = 'service' | 'node' | 'swarm' | 'secret' | 'config';

const leaving =
  'You are attempting to leave the swarm on a node that is participating as a manager. ';
const suppressed =
  'The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this message.';

/** Every fixed text of Docker's that this product answers with, by what went wrong. */
export const apiErrors = {
  pageNotFound: () => new ApiError(404, 'page not found'),
  notFound: (kind: ObjectKind, ref: string) => new ApiError(404, `${kind} ${ref} not found`),
  ambiguous: (kind: ObjectKind, ref: string, matches: number) =>
    new ApiError(400, `${kind} ${ref} is ambiguous (${matches} matches found)`),
  notManager: () =>
    new ApiError(
      503,
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    ),
  /** Overlay networks on a host without a swarm answer the same text with another status. */
  notManagerForNetwork: () => new ApiError(403, apiErrors.notManager().message),
  worker: () =>
    new ApiError(
      503,
      "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
    ),
  alreadyInSwarm: () =>
    new ApiError(
      503,
      'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
    ),
  notInSwarm: () => new ApiError(503, 'This node is not part of a swarm'),
  locked: () =>
    new ApiError(
      503,
      'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.',
    ),
  leaveLocked: () =>
    new ApiError(
      503,
      'Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.',
    ),
  badUnlockKey: () => new ApiError(400, 'invalid key string'),
  wrongUnlockKey: () => new ApiError(401, 'swarm could not be unlocked: invalid key provided'),
  noRemote: () => new ApiError(400, 'at least 1 RemoteAddr is required to join'),
  badJoinToken: () => new ApiError(500, 'invalid join token'),
  joinTimeout: () =>
    new ApiError(
      503,
      'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.',
    ),
  notLocked: () => new ApiError(409, 'swarm is not locked'),
  /** `missing` says how many managers are away, in one sentence; empty when it is not known. */
  noLeader: (missing = '') =>
    rpcError(
      'Unknown',
      `The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.${missing === '' ? '' : ` ${missing}`}`,
    ),
  outOfSequence: () => rpcError('Unknown', 'update out of sequence'),
  /** `given` is the query value as it came; an absent one counts as empty. */
  badVersion: (kind: VersionedKind, given: string) =>
    new ApiError(
      400,
      kind === 'secret' || kind === 'config'
        ? `invalid ${kind} version`
        : `invalid ${kind} version '${given}': strconv.ParseUint: parsing ${JSON.stringify(given)}: ${/^\d+$/.test(given) ? 'value out of range' : 'invalid syntax'}`,
    ),
  documentExists: (kind: 'secret' | 'config', name: string) =>
    rpcError('AlreadyExists', `${kind} ${name} already exists`),
  documentInUse: (kind: 'secret' | 'config', name: string, services: readonly string[]) =>
    invalidArgument(
      `${kind} '${name}' is in use by the following service${services.length > 1 ? 's' : ''}: ${services.join(', ')}`,
    ),
  nameConflict: (name: string) =>
    rpcError(
      'AlreadyExists',
      `name conflicts with an existing object: service ${name} already exists`,
    ),
  noPreviousSpec: (id: string) =>
    rpcError('FailedPrecondition', `service ${id} does not have a previous spec`),
  renaming: () => rpcError('Unimplemented', 'renaming services is not supported'),
  modeChange: () => rpcError('Unimplemented', 'service mode change is not allowed'),
  badRollback: (value: string) => new ApiError(500, `unrecognized rollback option ${value}`),
  /** Of a registry's credentials that are to come from the previous spec. */
  noPreviousAuth: () => new ApiError(500, 'service does not have a previous spec'),
  badRegistryAuthFrom: () => new ApiError(500, 'unsupported registryAuthFrom value'),
  networkExists: (name: string) => new ApiError(409, `network with name ${name} already exists`),
  /** `by` is what a network that is to be removed is still needed for. */
  networkInUse: (id: string, by: 'service' | 'task', byId: string) =>
    rpcError('FailedPrecondition', `network ${id} is in use by ${by} ${byId}`),
  ingressInUse: (serviceId: string) =>
    rpcError(
      'FailedPrecondition',
      `ingress network cannot be removed because service ${serviceId} depends on it`,
    ),
  ingressExists: (id: string) =>
    rpcError('AlreadyExists', `ingress network (${id}) is already present`),
  predefinedNetwork: (name: string) =>
    new ApiError(403, `${name} is a pre-defined network and cannot be removed`),
  notAttachable: (network: string) =>
    apiErrors.couldNotAttach(
      network,
      rpcError('PermissionDenied', `network ${network} not manually attachable`).message,
    ),
  /** Of a container that is to join a network that neither the host nor the swarm has. */
  nothingToAttachTo: (network: string) =>
    apiErrors.couldNotAttach(network, rpcError('NotFound', `network ${network} not found`).message),
  couldNotAttach: (network: string, problem: string): ApiError =>
    new ApiError(500, `Could not attach to network ${network}: ${problem}`),
  alreadyAttached: (container: string, network: string) =>
    new ApiError(409, `${container} is already attached to network ${network}`),
  quorumLoss: () =>
    rpcError(
      'FailedPrecondition',
      "can't remove member from the raft: this would result in a loss of quorum",
    ),
  lastManager: () =>
    rpcError('FailedPrecondition', 'attempting to demote the last manager of the swarm'),
  nodeNotDown: (id: string) =>
    rpcError('FailedPrecondition', `node ${id} is not down and can't be removed`),
  nodeIsManager: (id: string) =>
    rpcError(
      'FailedPrecondition',
      `node ${id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
    ),
  leaveLastManager: () =>
    new ApiError(
      503,
      `${leaving}Removing the last manager erases all current state of the swarm. Use \`--force\` to ignore this message. `,
    ),
  /** Of a manager whose leaving the others survive. */
  leaveManager: () => new ApiError(503, `${leaving}${suppressed}`),
  leaveWithoutQuorum: (left: number, of: number) =>
    new ApiError(
      503,
      `${leaving}Removing this node leaves ${left} managers out of ${of}. Without a Raft quorum your swarm will be inaccessible. ${suppressed}`,
    ),
  /** Of a manager that cannot tell how the others are. */
  leaveInactiveManager: () =>
    new ApiError(503, `${leaving}Doing so may lose the consensus of your cluster. ${suppressed}`),
  clusterVolumes: () =>
    new ApiError(
      501,
      'cluster volumes are not supported: there are no CSI plugins; use a volume driver of the nodes',
    ),
  /** Docker accepts such a service, whose tasks then wait for a plugin that never comes. */
  clusterMount: (target: string) =>
    new ApiError(
      501,
      `mount ${target}: cluster volumes are not supported: there are no CSI plugins; use type=volume, with a volume driver of the nodes`,
    ),
  volumeUpdate: () =>
    new ApiError(503, 'volume update only valid for cluster volumes, but swarm is unavailable'),
  contentType: (given: string) =>
    new ApiError(400, `unsupported Content-Type header (${given}): must be 'application/json'`),
  noStream: () => new ApiError(500, 'Bad parameters: you must choose at least one stream'),
  badTail: () => new ApiError(500, 'tail value must be a positive integer or "all"'),
  negativeTail: () => new ApiError(500, 'negative tail values not supported'),
  noIngress: () =>
    rpcError(
      'FailedPrecondition',
      'service needs ingress network, but no ingress network is present',
    ),
} as const;
