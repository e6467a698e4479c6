import { isIPv6 } from 'node:net';
import { parseHostPort } from '@shoal/runtime';
import type { ClusterSpec, ExternalCa, NodeSpec } from '@shoal/state';
import { z } from 'zod';
import { ApiError, apiErrors, invalidArgument } from '../errors.ts';
import { decode } from '../json.ts';
import { checkPools } from '../network/ipam.ts';
import { type ApiVersion, isOlder, maxVersion } from '../version.ts';
import {
  flag,
  integer,
  integerPointer,
  map,
  pointer,
  strings,
  structs,
  text,
  unsigned,
} from './go-values.ts';
import { parseAvailability } from './node-spec.ts';

const clusterSpecSchema = z.object({
  Name: text,
  Labels: map,
  Orchestration: pointer(z.object({ TaskHistoryRetentionLimit: integerPointer })),
  Raft: pointer(
    z.object({
      SnapshotInterval: unsigned,
      KeepOldSnapshots: unsigned,
      LogEntriesForSlowFollowers: unsigned,
      ElectionTick: integer,
      HeartbeatTick: integer,
    }),
  ),
  Dispatcher: pointer(z.object({ HeartbeatPeriod: integer })),
  CAConfig: pointer(
    z.object({
      NodeCertExpiry: integer,
      ForceRotate: unsigned,
      ExternalCAs: structs(z.object({ Protocol: text, URL: text, Options: map, CACert: text })),
      SigningCACert: text,
      SigningCAKey: text,
    }),
  ),
  TaskDefaults: pointer(z.object({ LogDriver: pointer(z.object({ Name: text, Options: map })) })),
  EncryptionConfig: pointer(z.object({ AutoLockManagers: flag })),
});

/** A cluster spec as a client sent it: what it left out is absent. */
export type ClusterSpecRequest = z.output<typeof clusterSpecSchema>;

const initSchema = z.object({
  ListenAddr: text,
  AdvertiseAddr: text,
  DataPathAddr: text,
  DataPathPort: unsigned,
  ForceNewCluster: flag,
  Spec: pointer(clusterSpecSchema),
  AutoLockManagers: flag,
  Availability: text,
  DefaultAddrPool: strings,
  SubnetSize: unsigned,
});

const joinSchema = z.object({
  ListenAddr: text,
  AdvertiseAddr: text,
  DataPathAddr: text,
  RemoteAddrs: strings,
  JoinToken: text,
  Availability: text,
});

const unlockSchema = z.object({ UnlockKey: text });

/** Swarm's own defaults. Durations in nanoseconds. */
export const clusterDefaults: ClusterSpec = {
  Name: 'default',
  Labels: {},
  Orchestration: { TaskHistoryRetentionLimit: 5 },
  Raft: {
    SnapshotInterval: 10_000,
    KeepOldSnapshots: 0,
    LogEntriesForSlowFollowers: 500,
    ElectionTick: 10,
    HeartbeatTick: 1,
  },
  Dispatcher: { HeartbeatPeriod: 5_000_000_000 },
  CAConfig: { NodeCertExpiry: 7_776_000_000_000_000 },
  TaskDefaults: {},
  EncryptionConfig: { AutoLockManagers: false },
};

const certExpiryMin = 3_600_000_000_000;
const defaultSubnetSize = 24;
/** UDP port of the tunnels between hosts when the user names none. */
export const defaultDataPathPort = 4_789;
const dataPathPorts = { min: 1_024, max: 49_151 } as const;

/** What `POST /swarm/init` asks for; addresses are still texts that the host must resolve. */
export interface SwarmInit {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly dataPathPort: number;
  /** Make a cluster of this manager alone, with all the state that it holds. */
  readonly forceNewCluster: boolean;
  /** The cluster's spec: what the body asks for over the defaults. */
  readonly spec: ClusterSpec;
  /** The spec as it was sent, for {@link mergeClusterSpec} into a cluster that exists. */
  readonly requested: ClusterSpecRequest | undefined;
  readonly availability: NodeSpec['Availability'];
  readonly defaultAddressPool: readonly string[];
  readonly subnetSize: number;
}

/** Whether a host that is in a swarm may do what the body of `POST /swarm/init` asks for: all else is refused first. */
export function asksForNewCluster(body: unknown): boolean {
  return decode(initSchema, 'InitRequest', body).ForceNewCluster === true;
}

/** Reads and checks the body of `POST /swarm/init`, in Docker's order. */
export function parseSwarmInit(body: unknown, version: ApiVersion = maxVersion): SwarmInit {
  const request = olderInit(decode(initSchema, 'InitRequest', body), version);
  const name = request.Spec?.Name;
  if (name !== undefined && name !== 'default')
    throw new ApiError(400, 'swarm spec must be named "default"');
  if (request.ListenAddr === undefined)
    throw new ApiError(400, 'invalid ListenAddr "": invalid empty address');
  const merged = mergeClusterSpec(clusterDefaults, request.Spec);
  const autoLock = merged.EncryptionConfig.AutoLockManagers || request.AutoLockManagers === true;
  const spec: ClusterSpec = { ...merged, EncryptionConfig: { AutoLockManagers: autoLock } };
  checkSpec(spec);
  checkPools(request.DefaultAddrPool ?? [], request.SubnetSize ?? defaultSubnetSize);
  const port = request.DataPathPort ?? defaultDataPathPort;
  if (port < dataPathPorts.min || port > dataPathPorts.max)
    throw new ApiError(
      400,
      `invalid DataPathPort (${port}): must be a number between ${dataPathPorts.min} and ${dataPathPorts.max}`,
    );
  return {
    listenAddr: request.ListenAddr,
    advertiseAddr: request.AdvertiseAddr ?? '',
    dataPathAddr: request.DataPathAddr ?? '',
    dataPathPort: port,
    forceNewCluster: request.ForceNewCluster === true,
    spec,
    requested: request.Spec,
    availability:
      request.Availability === undefined ? 'active' : parseAvailability(request.Availability),
    defaultAddressPool: request.DefaultAddrPool ?? [],
    subnetSize: request.SubnetSize ?? defaultSubnetSize,
  };
}

type InitRequest = z.output<typeof initSchema>;

/** Address pools came with 1.39, the port of the tunnels with 1.40: older clients cannot mean them. */
function olderInit(request: InitRequest, version: ApiVersion): InitRequest {
  const before = (minor: number): boolean => isOlder(version, { major: 1, minor });
  return {
    ...request,
    ...(before(39) && { DefaultAddrPool: undefined, SubnetSize: undefined }),
    ...(before(40) && { DataPathPort: undefined }),
  };
}

/** What `POST /swarm/update` asks for besides the rotations in its query. */
export interface SwarmUpdate {
  readonly spec: ClusterSpec;
  /** The root that the cluster is to move to; never shown again. */
  readonly signingCa: { readonly certificate: string; readonly key: string } | undefined;
}

/** Reads the body of `POST /swarm/update`: zero values fall back to the defaults. */
export function parseSwarmUpdate(body: unknown): SwarmUpdate {
  const request = decode(clusterSpecSchema, 'Spec', body);
  const spec = mergeClusterSpec(clusterDefaults, request);
  if (spec.Name !== 'default') throw new ApiError(400, 'swarm spec must be named "default"');
  checkSpec(spec);
  const { SigningCACert, SigningCAKey } = request.CAConfig ?? {};
  if (SigningCAKey !== undefined && SigningCACert === undefined)
    throw invalidArgument(
      'if a signing CA key is provided, the signing CA cert must also be provided',
    );
  return {
    spec,
    signingCa:
      SigningCACert === undefined
        ? undefined
        : { certificate: SigningCACert, key: SigningCAKey ?? '' },
  };
}

/** What `POST /swarm/join` asks for; addresses are still texts. */
export interface SwarmJoin {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  /** Managers to ask, `host:port`; one at least. */
  readonly remoteAddrs: readonly string[];
  readonly joinToken: string;
  readonly availability: NodeSpec['Availability'];
}

const clusterPort = 2_377;

/** Reads and checks the body of `POST /swarm/join`, in Docker's order. */
export function parseSwarmJoin(body: unknown): SwarmJoin {
  const request = decode(joinSchema, 'JoinRequest', body);
  if (request.ListenAddr === undefined)
    throw new ApiError(400, 'invalid ListenAddr "": invalid empty address');
  const remotes = request.RemoteAddrs ?? [];
  if (remotes.length === 0) throw apiErrors.noRemote();
  return {
    listenAddr: request.ListenAddr,
    advertiseAddr: request.AdvertiseAddr ?? '',
    dataPathAddr: request.DataPathAddr ?? '',
    remoteAddrs: remotes.map(remoteAddress),
    joinToken: request.JoinToken ?? '',
    availability:
      request.Availability === undefined ? 'active' : parseAvailability(request.Availability),
  };
}

/** `host`, `host:port` or `[v6]:port`, with the cluster port where none is given. */
function remoteAddress(text: string): string {
  const invalid = (why: string): ApiError =>
    new ApiError(400, `invalid remoteAddress ${JSON.stringify(text)}: ${why}`);
  if (text === '') throw invalid('invalid empty address');
  if (parseHostPort(text) !== undefined) return text;
  const bare = isIPv6(text) ? `[${text}]` : text;
  const whole = `${bare}:${clusterPort}`;
  if (parseHostPort(whole) === undefined)
    throw invalid('it must be host:port, as "docker swarm join-token" prints it');
  return whole;
}

/** Reads the body of `POST /swarm/unlock`; the key's form is for its owner to judge. */
export function parseSwarmUnlock(body: unknown): string {
  return decode(unlockSchema, 'UnlockRequest', body).UnlockKey ?? '';
}

/** The spec that `request` makes of `base`: what it leaves out stays as it is in `base`. */
export function mergeClusterSpec(
  base: ClusterSpec,
  request: ClusterSpecRequest | undefined,
): ClusterSpec {
  const { Orchestration, Raft, Dispatcher, CAConfig, TaskDefaults, EncryptionConfig } = base;
  const forceRotate = request?.CAConfig?.ForceRotate ?? CAConfig.ForceRotate;
  const externalCas = request?.CAConfig?.ExternalCAs?.map(externalCa) ?? CAConfig.ExternalCAs;
  const logDriver = request?.TaskDefaults?.LogDriver;
  return {
    Name: request?.Name ?? base.Name,
    Labels: request?.Labels ?? base.Labels,
    Orchestration: {
      TaskHistoryRetentionLimit:
        request?.Orchestration?.TaskHistoryRetentionLimit ??
        Orchestration.TaskHistoryRetentionLimit,
    },
    Raft: {
      SnapshotInterval: request?.Raft?.SnapshotInterval ?? Raft.SnapshotInterval,
      KeepOldSnapshots: request?.Raft?.KeepOldSnapshots ?? Raft.KeepOldSnapshots,
      LogEntriesForSlowFollowers:
        request?.Raft?.LogEntriesForSlowFollowers ?? Raft.LogEntriesForSlowFollowers,
      ElectionTick: request?.Raft?.ElectionTick ?? Raft.ElectionTick,
      HeartbeatTick: request?.Raft?.HeartbeatTick ?? Raft.HeartbeatTick,
    },
    Dispatcher: {
      HeartbeatPeriod: request?.Dispatcher?.HeartbeatPeriod ?? Dispatcher.HeartbeatPeriod,
    },
    CAConfig: {
      NodeCertExpiry: request?.CAConfig?.NodeCertExpiry ?? CAConfig.NodeCertExpiry,
      ...(forceRotate === undefined ? {} : { ForceRotate: forceRotate }),
      ...(externalCas === undefined ? {} : { ExternalCAs: externalCas }),
    },
    TaskDefaults: logDriver === undefined ? TaskDefaults : { LogDriver: logDriver },
    EncryptionConfig: {
      AutoLockManagers:
        request?.EncryptionConfig?.AutoLockManagers ?? EncryptionConfig.AutoLockManagers,
    },
  };
}

type ExternalCaRequest = NonNullable<
  NonNullable<ClusterSpecRequest['CAConfig']>['ExternalCAs']
>[number];

function externalCa({ Protocol, URL, Options, CACert }: ExternalCaRequest): ExternalCa {
  if ((Protocol ?? '').toLowerCase() !== 'cfssl')
    throw new ApiError(400, `invalid protocol: ${JSON.stringify(Protocol ?? '')}`);
  if (URL === undefined) throw new ApiError(400, 'an external CA needs its URL');
  return {
    Protocol: 'cfssl',
    URL,
    ...(Options === undefined ? {} : { Options }),
    ...(CACert === undefined ? {} : { CACert }),
  };
}

function checkSpec({ CAConfig, Dispatcher }: ClusterSpec): void {
  if (CAConfig.NodeCertExpiry < certExpiryMin)
    throw invalidArgument('minimum certificate expiry time is: 1h0m0s');
  if (Dispatcher.HeartbeatPeriod < 0)
    throw invalidArgument('heartbeat time period cannot be a negative duration');
}
