import type { Instant, LogIndex } from '@shoal/runtime';
import type {
  ClusterSpec,
  DocumentSpec,
  GenericResource,
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

/** The meta of an object that is to be made: the state machine fills it in. */
export const newMeta: Meta = {
  version: 0 as LogIndex,
  createdAt: 0 as Instant,
  updatedAt: 0 as Instant,
};

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
  /** What the hosts' gossip is sealed with. */
  readonly networkKeys?: NetworkKeys | undefined;
  readonly defaultAddressPool: readonly string[];
  readonly subnetSize: number;
  readonly dataPathPort: number;
  /** The ingress network was made once: when it is missing since, its removal was asked for. */
  readonly ingressMade?: true | undefined;
}

/** A ring of keys, newest first. The newest is only known yet; the one before it seals. */
export interface NetworkKeys {
  /** `time` grows with each key that was ever made. */
  readonly keys: readonly { readonly key: Sealed; readonly time: number }[];
  readonly rotatedAt: Instant;
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
  /** Written by the orchestrator while the node is being emptied (availability `drain`). */
  readonly drain?: NodeDrain | undefined;
  /**
   * When anything that constraints look at last changed; the state machine's own, as `meta` is. Absent: not
   * since the node was made, or since this is kept; absent also on a voter that was older when it applied
   * the change.
   */
  readonly factsChangedAt?: Instant | undefined;
}

export interface NodeDrain {
  readonly since: Instant;
  /** Tasks that were to run on the node when the drain began. */
  readonly tasks: number;
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
  /** Jobs only: the run that is on, or was last. Absent before the first run. */
  readonly jobStatus?: JobStatus | undefined;
  /** Present while a label gives the service a schedule. */
  readonly cron?: CronStatus | undefined;
  /** What autoscaling has decided; absent before that, and after somebody else said how many tasks there are to be. */
  readonly scaling?: ServiceScaling | undefined;
}

/** How many tasks a service that is scaled by load is to have, beside what its revision asks for. */
export interface ServiceScaling {
  /** Within the bounds that were asked for then. */
  readonly replicas: number;
  readonly changedAt: Instant;
  /** What made it so many, or what would make it fewer: one sentence for people. */
  readonly reason: string;
  /** Present while fewer tasks would do. */
  readonly fewer?:
    | {
        readonly since: Instant;
        /** The most that were needed at any time since; absent while that cannot be said yet. */
        readonly most?: number | undefined;
      }
    | undefined;
}

/** One run of a job. Written with the spec that asks for it, or by the orchestrator when it is due. */
export interface JobStatus {
  /** Number of the run: from 0, one more for each. */
  readonly iteration: number;
  /** The revision this run goes by, while it is kept; later changes concern the next run. */
  readonly revision: number;
  /** When the run was asked for. */
  readonly lastExecution: Instant;
}

/** How far a schedule is served. Written in the transaction that starts the run. */
export interface CronStatus {
  /** The schedule this speaks of, with its time zone; under another one counting begins anew. */
  readonly schedule: string;
  /** Times up to here, this one included, are dealt with: run, skipped or missed. */
  readonly servedUntil: Instant;
  /** The scheduled time of the last run that was started; absent before the first. */
  readonly lastRun?: Instant | undefined;
  /** A run of several tasks: those before are being called off, the new ones come next. */
  readonly starting?: boolean | undefined;
  /** The revision that the last run made; absent for jobs, whose runs make none. */
  readonly revision?: number | undefined;
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
  /**
   * Rollbacks: the log's time of the service's last write before. Tasks of the current revision that are
   * younger were made by the rollback. `startedAt` is of the writer's clock, which may be ahead of it.
   */
  readonly since?: Instant | undefined;
}

/** The allocator's answer to a revision's `EndpointSpec`. */
export interface Endpoint {
  /** The revision this was allocated for; 0 when nothing was yet. */
  readonly revision: number;
  readonly ports: readonly PortConfig[];
  /** `addr` is canonical, with prefix length; one entry for each family of a network. */
  readonly virtualIps: readonly { readonly networkId: string; readonly addr: string }[];
}

/** One state of a service's spec; never changed once written. Tasks point here instead of copying it. */
export interface Revision extends StateObject {
  /** `<service id>.<number>`, see {@link revisionId}. */
  readonly id: string;
  readonly serviceId: string;
  /** Number of the revision within its service: from 1, growing. */
  readonly number: number;
  readonly spec: ServiceSpec;
  /** Registry credentials for pulling the image, sealed; never shown. */
  readonly registryAuth?: Sealed | undefined;
  /** Id of the revision that the credentials were sealed for, where they were carried over from it. */
  readonly registryAuthFrom?: string | undefined;
  /** A run by schedule made it, not a person: kept only while it is used. */
  readonly byRun?: boolean | undefined;
}

export function revisionId(serviceId: string, number: number): string {
  return `${serviceId}.${number}`;
}

export interface Task extends StateObject {
  readonly serviceId: string;
  /** Replicated services: from 1. Replicated jobs: from 0, as in Swarm. Global services and jobs: 0. */
  readonly slot: number;
  /** Empty until the scheduler has placed the task (global services: set at creation). */
  readonly nodeId: string;
  readonly revision: number;
  /**
   * What the task was given of its node's generic resources, written with the node: named ones by
   * name, each to one task at a time, discrete ones by number. Absent when it asked for none.
   */
  readonly genericResources?: readonly GenericResource[] | undefined;
  /** Written by the orchestrator; only moves forward. */
  readonly desired: TaskState;
  readonly status: TaskStatus;
  /** Jobs only: the run that the task belongs to. */
  readonly jobIteration?: number | undefined;
  /** Made by rebalancing: the node whose task of the same slot it takes over from once it runs. */
  readonly movedFrom?: string | undefined;
  /** Present when the task replaces one that ended or lost its place; absent when an update made it. */
  readonly restart?: TaskRestart | undefined;
  /** Present when the scheduler, with the desired state, made the task give way to another one. */
  readonly displaced?: TaskDisplaced | undefined;
  /**
   * Its networks of the swarm, in the order of its spec, the ingress network last; written by the
   * allocator with `pending`. The addresses are the task's until it is in a final state or deleted.
   */
  readonly networks?: readonly TaskAttachment[] | undefined;
}

/** What a task has of one network. */
export interface TaskAttachment {
  readonly networkId: string;
  /** With prefix length, canonical; at most one of each family. */
  readonly addresses: readonly string[];
}

/** Why a task was told to stop before its time. */
export interface TaskDisplaced {
  /** Id of the task of higher priority that needed the room. */
  readonly by: string;
  readonly at: Instant;
  /** A sentence for people. */
  readonly reason: string;
}

export interface TaskRestart {
  /** How long the task waits before it may start, counted from its creation; milliseconds. */
  readonly delayMs: number;
  /** Failures in a row that came before this task in its slot. */
  readonly failures: number;
  /** Present when the one before did not end by itself, so that no attempt is used up. */
  readonly moved?: true | undefined;
  /**
   * What became of the first task that the current update made in this slot, told because that may no
   * longer be in the history. Absent on the first itself.
   */
  readonly first?: { readonly failed: boolean; readonly settledAt: Instant } | undefined;
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
  /** Of tasks that are scaled by load, while they run. */
  readonly load?: TaskLoad | undefined;
}

/** What a task uses now, as its node has measured it over some seconds. */
export interface TaskLoad {
  /** Processors kept busy, such as 0.7. */
  readonly processors: number;
  /** Without cache that the kernel gives back first. */
  readonly memoryBytes: number;
}

export interface ContainerStatus {
  readonly id: string;
  readonly pid: number;
  readonly exitCode: number;
}

export interface Network extends StateObject {
  readonly spec: NetworkSpec;
  /** Written once by the allocator, and then never changed; node-local networks have none. */
  readonly allocation?: NetworkAllocation | undefined;
  /** Why there is no allocation, one sentence for people. */
  readonly problem?: string | undefined;
}

export interface NetworkAllocation {
  /** Subnets in the order of the spec, IPv4 before IPv6 where the spec names none. */
  readonly subnets: readonly NetworkSubnet[];
  /** When it was given. */
  readonly at: Instant;
}

export interface NetworkSubnet {
  /** Canonical CIDR without host bits, such as `10.0.1.0/24`. */
  readonly subnet: string;
  /** Canonical, without prefix length. */
  readonly gateway: string;
  /** VXLAN network identifier. The subnets of one network share one, unless its user gave several. */
  readonly vni: number;
}

/** An address that something else than a task has in a network. */
export interface Attachment extends StateObject {
  /** Of kind `node`: `<network id>.<node id>`, see {@link nodeAttachmentId}. */
  readonly id: string;
  readonly networkId: string;
  readonly nodeId: string;
  /** `node`: the balancer of that node; `container`: a container that somebody runs by hand there. */
  readonly kind: 'node' | 'container';
  /** Name of the container. */
  readonly name?: string | undefined;
  /** The address that was asked for, without prefix length, as its user wrote it. */
  readonly wanted?: string | undefined;
  /** With prefix length, canonical, at most one of each family; empty until they are given. */
  readonly addresses: readonly string[];
  /** Why it has no address, one sentence for people. */
  readonly problem?: string | undefined;
}

export function nodeAttachmentId(networkId: string, nodeId: string): string {
  return `${networkId}.${nodeId}`;
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

/**
 * Where the data of one slot is: its tasks mount named volumes that are local to a node. Written by the
 * scheduler with the assignment, deleted by it when the service is gone, or when the node turned the first
 * task away before there was any data; a former home takes its place if there is one.
 */
export interface VolumeHome extends StateObject, VolumePlace {
  /** `<service id>.<slot>`, see {@link volumeHomeId}. */
  readonly id: string;
  readonly serviceId: string;
  readonly slot: number;
  /** Other nodes where data is that may be asked for again, the last one last. */
  readonly former?: readonly VolumePlace[] | undefined;
}

/** A node and what volumes of a slot are there. */
export interface VolumePlace {
  readonly nodeId: string;
  /** Names of volumes: of the last task there, and of revisions that may come back. */
  readonly volumes: readonly string[];
  /** Of `volumes`, those that no container there has had yet; a lost task may have had one. */
  readonly unproven?: readonly string[] | undefined;
}

export function volumeHomeId(serviceId: string, slot: number): string {
  return `${serviceId}.${slot}`;
}

/** Something that only the tasks which name it may read. Content and name never change. */
export interface Secret extends StateObject {
  readonly spec: DocumentSpec;
  readonly data: Sealed;
}

/** A file that tasks are given. Content and name never change. */
export interface Config extends StateObject {
  readonly spec: DocumentSpec;
  /** Base64. */
  readonly data: string;
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
  readonly volumeHome: VolumeHome;
  readonly attachment: Attachment;
  readonly secret: Secret;
  readonly config: Config;
}

export type TableName = keyof Tables;
