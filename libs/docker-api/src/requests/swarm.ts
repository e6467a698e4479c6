import type { ClusterSpec, NodeSpec } from '@shoal/state';
import { z } from 'zod';
import { ApiError, invalidArgument } from '../errors.ts';
import { decode } from '../json.ts';
import {
  flag,
  integer,
  integerPointer,
  map,
  pointer,
  strings,
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
  CAConfig: pointer(z.object({ NodeCertExpiry: integer, ForceRotate: unsigned })),
  TaskDefaults: pointer(z.object({ LogDriver: pointer(z.object({ Name: text, Options: map })) })),
  EncryptionConfig: pointer(z.object({ AutoLockManagers: flag })),
});

type ClusterSpecRequest = z.output<typeof clusterSpecSchema>;

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
const defaultDataPathPort = 4_789;
const dataPathPorts = { min: 1_024, max: 49_151 } as const;

/** What `POST /swarm/init` asks for; addresses are still texts that the host must resolve. */
export interface SwarmInit {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly dataPathPort: number;
  readonly spec: ClusterSpec;
  readonly availability: NodeSpec['Availability'];
  readonly defaultAddressPool: readonly string[];
  readonly subnetSize: number;
}

/** Reads and checks the body of `POST /swarm/init`, in Docker's order. */
export function parseSwarmInit(body: unknown): SwarmInit {
  const request = decode(initSchema, 'InitRequest', body);
  const name = request.Spec?.Name;
  if (name !== undefined && name !== 'default')
    throw new ApiError(400, 'swarm spec must be named "default"');
  if (request.ListenAddr === undefined)
    throw new ApiError(400, 'invalid ListenAddr "": invalid empty address');
  const spec = withDefaults(request.Spec);
  checkExpiry(spec);
  checkPools(request.DefaultAddrPool ?? [], request.SubnetSize ?? defaultSubnetSize);
  const port = request.DataPathPort ?? defaultDataPathPort;
  if (port < dataPathPorts.min || port > dataPathPorts.max)
    throw new ApiError(
      400,
      `invalid DataPathPort (${port}): must be a number between ${dataPathPorts.min} and ${dataPathPorts.max}`,
    );
  if (request.AutoLockManagers === true || spec.EncryptionConfig.AutoLockManagers)
    throw new ApiError(501, 'autolock is not available yet: managers start without an unlock key');
  return {
    listenAddr: request.ListenAddr,
    advertiseAddr: request.AdvertiseAddr ?? '',
    dataPathAddr: request.DataPathAddr ?? '',
    dataPathPort: port,
    spec,
    availability:
      request.Availability === undefined ? 'active' : parseAvailability(request.Availability),
    defaultAddressPool: request.DefaultAddrPool ?? [],
    subnetSize: request.SubnetSize ?? defaultSubnetSize,
  };
}

/** Reads the body of `POST /swarm/update`: zero values fall back to the defaults. */
export function parseClusterSpec(body: unknown): ClusterSpec {
  const spec = withDefaults(decode(clusterSpecSchema, 'Spec', body));
  if (spec.Name !== 'default') throw new ApiError(400, 'swarm spec must be named "default"');
  checkExpiry(spec);
  if (spec.EncryptionConfig.AutoLockManagers)
    throw new ApiError(501, 'autolock is not available yet: managers start without an unlock key');
  return spec;
}

function withDefaults(request: ClusterSpecRequest | undefined): ClusterSpec {
  const { Orchestration, Raft, Dispatcher, CAConfig } = clusterDefaults;
  const forceRotate = request?.CAConfig?.ForceRotate;
  const logDriver = request?.TaskDefaults?.LogDriver;
  return {
    Name: request?.Name ?? 'default',
    Labels: request?.Labels ?? {},
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
    },
    TaskDefaults: logDriver === undefined ? {} : { LogDriver: logDriver },
    EncryptionConfig: { AutoLockManagers: request?.EncryptionConfig?.AutoLockManagers ?? false },
  };
}

function checkExpiry(spec: ClusterSpec): void {
  if (spec.CAConfig.NodeCertExpiry < certExpiryMin)
    throw invalidArgument('minimum certificate expiry time is: 1h0m0s');
}

function checkPools(pools: readonly string[], subnetSize: number): void {
  for (const pool of pools) {
    const match = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(pool);
    if (match === null) throw new ApiError(500, `invalid CIDR address: ${pool}`);
    if (Number(match[2]) > subnetSize)
      throw new ApiError(
        500,
        `invalid CIDR: ${JSON.stringify(pool)}. Subnet size is too small for pool: ${subnetSize}`,
      );
  }
}
