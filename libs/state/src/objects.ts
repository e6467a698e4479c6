import type { Instant, LogIndex } from '@shoal/runtime';
import type {
  ClusterSpec,
  NetworkSpec,
  NodeDescription,
  NodeSpec,
  PortConfig,
  ServiceSpec,
} from './spec.ts';
import type { TaskState } from './task-state.ts';

/** Kept by the state machine itself; what a writer puts into `createdAt` and `updatedAt` is ignored. */
export interface Meta {
  /** Log index of the entry that last wrote the object. An update or delete names the version it read. */
  readonly version: LogIndex;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

/** A value that only its owner's key opens: base64 of nonce, ciphertext and tag (AES-256-GCM). */
export interface Sealed {
  readonly sealed: string;
}

/** Objects are immutable values: a change replaces the whole object. */
export interface StateObject {
  readonly id: string;
  readonly meta: Meta;
}

export interface Cluster extends StateObject {
  readonly spec: ClusterSpec;
  readonly rootCa: RootCa;
  readonly joinTokens: { readonly worker: Sealed; readonly manager: Sealed };
  /** What people unlock a manager's disk with (`SWMKEY-1-…`, sealed); present while autolock is on. */
  readonly unlockKey?: { readonly key: Sealed; readonly version: number } | undefined;
  /** Nodes that were removed, with the end of their newest certificate: until then it proves nothing. */
  readonly removedNodes?: Readonly<Record<string, Instant>> | undefined;
  readonly defaultAddressPool: readonly string[];
  readonly subnetSize: number;
  readonly dataPathPort: number;
}

/** The cluster's root of trust; certificates are PEM. */
export interface RootCa {
  readonly certificate: string;
  /** Absent when only external authorities sign. */
  readonly key?: Sealed | undefined;
  /** Grows with `docker swarm ca --rotate`; the value that the present root answers. */
  readonly forceRotate?: number | undefined;
  /** A new root on its way in; it takes over once every node has a certificate of it. */
  readonly rotation?:
    | {
        readonly certificate: string;
        readonly key?: Sealed | undefined;
        /** The new root's key certified by the old root, for nodes that trust only that. */
        readonly crossSigned: string;
        readonly startedAt: Instant;
      }
    | undefined;
}

export interface Node extends StateObject {
  readonly spec: NodeSpec;
  /** The role its certificate proves; `spec.Role` is the one asked for. */
  readonly role: 'worker' | 'manager';
  /** Absent until the agent's first session. */
  readonly description?: NodeDescription | undefined;
  readonly status: NodeStatus;
  /** Managers only. `addr` is where the log listens, as `host:port`. */
  readonly manager?: { readonly raftId: number; readonly addr: string } | undefined;
}

export interface NodeStatus {
  readonly state: 'unknown' | 'down' | 'ready' | 'disconnected';
  readonly message: string;
  /** The address the node is seen at, without port. */
  readonly addr: string;
  /** The dispatcher replica (a lease id) that holds or last held the node's session. */
  readonly dispatcher: string;
}

export interface Service extends StateObject {
  /** Equals the current revision's `spec.Name`; unique. */
  readonly name: string;
  /** Number of the current revision. */
  readonly revision: number;
  /** The revision that `rollback` goes to; absent when there is none. */
  readonly previousRevision?: number | undefined;
  readonly updateStatus?: UpdateStatus | undefined;
  readonly endpoint: Endpoint;
}

export interface UpdateStatus {
  readonly state:
    | 'updating'
    | 'paused'
    | 'completed'
    | 'rollback_started'
    | 'rollback_paused'
    | 'rollback_completed';
  readonly startedAt: Instant;
  readonly completedAt?: Instant | undefined;
  readonly message: string;
}

/** The allocator's answer to a revision's `EndpointSpec`. */
export interface Endpoint {
  /** The revision this was allocated for; 0 when nothing was yet. */
  readonly revision: number;
  readonly ports: readonly PortConfig[];
  readonly virtualIps: readonly { readonly networkId: string; readonly addr: string }[];
}

/** One state of a service's spec; never changed once written. Tasks point here instead of copying it. */
export interface Revision extends StateObject {
  /** `<service id>.<number>`, see {@link revisionId}. */
  readonly id: string;
  readonly serviceId: string;
  /** From 1, growing. */
  readonly number: number;
  readonly spec: ServiceSpec;
  /** Registry credentials for pulling the image, sealed; never shown. */
  readonly registryAuth?: Sealed | undefined;
}

export function revisionId(serviceId: string, number: number): string {
  return `${serviceId}.${number}`;
}

export interface Task extends StateObject {
  readonly serviceId: string;
  /** Replicated services: from 1. Global services: 0. */
  readonly slot: number;
  /** Empty until the scheduler has placed the task (global services: set at creation). */
  readonly nodeId: string;
  readonly revision: number;
  /** Written by the orchestrator; only moves forward. */
  readonly desired: TaskState;
  readonly status: TaskStatus;
}

/** Written by the stage that moved the task, then by its agent; `state` only moves forward. */
export interface TaskStatus {
  readonly state: TaskState;
  readonly at: Instant;
  readonly message: string;
  /** Empty when nothing is wrong. */
  readonly err: string;
  readonly container?: ContainerStatus | undefined;
  /** When the task began to run, kept in all later states; absent when it never did. */
  readonly startedAt?: Instant | undefined;
  /** Ports published on the node itself (publish mode host), as the engine bound them. */
  readonly ports?: readonly PortConfig[] | undefined;
}

export interface ContainerStatus {
  readonly id: string;
  readonly pid: number;
  readonly exitCode: number;
}

export interface Network extends StateObject {
  readonly spec: NetworkSpec;
}

/**
 * Right of one stage replica to act. Its epoch is `meta.version`, the index of the entry that
 * granted it: a transaction under an older epoch is refused.
 */
export interface Lease extends StateObject {
  /** Name of the replica, unique in the cluster: `<stage>@<node id>/<instance>`. */
  readonly id: string;
  readonly stage: string;
  readonly nodeId: string;
  /** Where others reach the replica (`host:port`), empty if nobody calls it. */
  readonly address: string;
}

/** Every table of the state and what it holds. */
export interface Tables {
  readonly cluster: Cluster;
  readonly node: Node;
  readonly service: Service;
  readonly revision: Revision;
  readonly task: Task;
  readonly network: Network;
  readonly lease: Lease;
}

export type TableName = keyof Tables;
