/**
 * What users said, kept in the words they said it in: the shapes and field names are those of the
 * Docker Engine API (`ServiceSpec`, `NodeSpec`, …), already validated and with lower-case enums.
 * Durations are nanoseconds, CPUs nano-CPUs, memory bytes. Absent fields stay absent.
 */
export type Labels = Readonly<Record<string, string>>;

export interface ServiceSpec {
  readonly Name: string;
  readonly Labels: Labels;
  readonly TaskTemplate: TaskTemplate;
  readonly Mode: ServiceMode;
  readonly UpdateConfig?: UpdateConfig | undefined;
  readonly RollbackConfig?: UpdateConfig | undefined;
  readonly EndpointSpec?: EndpointSpec | undefined;
}

/** Exactly one member is present. */
export interface ServiceMode {
  readonly Replicated?: { readonly Replicas: number } | undefined;
  readonly Global?: Readonly<Record<string, never>> | undefined;
  readonly ReplicatedJob?:
    | { readonly MaxConcurrent: number; readonly TotalCompletions: number }
    | undefined;
  readonly GlobalJob?: Readonly<Record<string, never>> | undefined;
}

export interface TaskTemplate {
  readonly ContainerSpec: ContainerSpec;
  readonly Resources?: ResourceRequirements | undefined;
  readonly RestartPolicy?: RestartPolicy | undefined;
  readonly Placement?: Placement | undefined;
  readonly Networks?: readonly NetworkAttachmentConfig[] | undefined;
  readonly LogDriver?: { readonly Name: string; readonly Options?: Labels | undefined } | undefined;
  readonly ForceUpdate: number;
  readonly Runtime?: string | undefined;
}

export interface ContainerSpec {
  readonly Image: string;
  readonly Labels?: Labels | undefined;
  readonly Command?: readonly string[] | undefined;
  readonly Args?: readonly string[] | undefined;
  readonly Hostname?: string | undefined;
  readonly Env?: readonly string[] | undefined;
  readonly Dir?: string | undefined;
  readonly User?: string | undefined;
  readonly Groups?: readonly string[] | undefined;
  readonly Privileges?: Readonly<Record<string, unknown>> | undefined;
  readonly Init?: boolean | undefined;
  readonly StopSignal?: string | undefined;
  readonly TTY?: boolean | undefined;
  readonly OpenStdin?: boolean | undefined;
  readonly ReadOnly?: boolean | undefined;
  readonly Mounts?: readonly Mount[] | undefined;
  /** Nanoseconds; absent means 10 s. */
  readonly StopGracePeriod?: number | undefined;
  readonly Healthcheck?: Healthcheck | undefined;
  readonly Hosts?: readonly string[] | undefined;
  readonly DNSConfig?:
    | {
        readonly Nameservers?: readonly string[] | undefined;
        readonly Search?: readonly string[] | undefined;
        readonly Options?: readonly string[] | undefined;
      }
    | undefined;
  readonly Secrets?: readonly SecretReference[] | undefined;
  readonly Configs?: readonly ConfigReference[] | undefined;
  readonly Isolation?: string | undefined;
  readonly Sysctls?: Labels | undefined;
  readonly CapabilityAdd?: readonly string[] | undefined;
  readonly CapabilityDrop?: readonly string[] | undefined;
  readonly Ulimits?:
    | readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[]
    | undefined;
  readonly OomScoreAdj?: number | undefined;
}

export interface Healthcheck {
  readonly Test?: readonly string[] | undefined;
  readonly Interval?: number | undefined;
  readonly Timeout?: number | undefined;
  readonly StartPeriod?: number | undefined;
  readonly StartInterval?: number | undefined;
  readonly Retries?: number | undefined;
}

export interface Mount {
  readonly Type: 'bind' | 'volume' | 'tmpfs' | 'npipe' | 'cluster' | 'image';
  readonly Source?: string | undefined;
  readonly Target: string;
  readonly ReadOnly?: boolean | undefined;
  readonly Consistency?: string | undefined;
  readonly BindOptions?: Readonly<Record<string, unknown>> | undefined;
  readonly VolumeOptions?: Readonly<Record<string, unknown>> | undefined;
  readonly TmpfsOptions?: Readonly<Record<string, unknown>> | undefined;
  readonly ImageOptions?: Readonly<Record<string, unknown>> | undefined;
}

export interface Resources {
  readonly NanoCPUs?: number | undefined;
  readonly MemoryBytes?: number | undefined;
  readonly Pids?: number | undefined;
  readonly GenericResources?: readonly GenericResource[] | undefined;
}

export interface GenericResource {
  readonly NamedResourceSpec?: { readonly Kind: string; readonly Value: string } | undefined;
  readonly DiscreteResourceSpec?: { readonly Kind: string; readonly Value: number } | undefined;
}

export interface ResourceRequirements {
  readonly Limits?: Resources | undefined;
  readonly Reservations?: Resources | undefined;
}

export interface RestartPolicy {
  readonly Condition?: 'none' | 'on-failure' | 'any' | undefined;
  /** Nanoseconds; absent means 5 s. */
  readonly Delay?: number | undefined;
  /** 0 or absent means no limit. */
  readonly MaxAttempts?: number | undefined;
  /** Nanoseconds; 0 or absent means no window. */
  readonly Window?: number | undefined;
}

export interface Placement {
  readonly Constraints?: readonly string[] | undefined;
  readonly Preferences?:
    | readonly { readonly Spread: { readonly SpreadDescriptor: string } }[]
    | undefined;
  readonly Platforms?:
    | readonly { readonly Architecture?: string | undefined; readonly OS?: string | undefined }[]
    | undefined;
  /** 0 or absent means no limit. */
  readonly MaxReplicas?: number | undefined;
}

export interface NetworkAttachmentConfig {
  /** Network id. */
  readonly Target: string;
  readonly Aliases?: readonly string[] | undefined;
  readonly DriverOpts?: Labels | undefined;
}

export interface UpdateConfig {
  /** 0 means all at once. */
  readonly Parallelism: number;
  readonly Delay?: number | undefined;
  readonly FailureAction?: 'pause' | 'continue' | 'rollback' | undefined;
  readonly Monitor?: number | undefined;
  readonly MaxFailureRatio?: number | undefined;
  readonly Order?: 'stop-first' | 'start-first' | undefined;
}

export interface EndpointSpec {
  readonly Mode?: 'vip' | 'dnsrr' | undefined;
  readonly Ports?: readonly PortConfig[] | undefined;
}

export interface PortConfig {
  readonly Name?: string | undefined;
  readonly Protocol: 'tcp' | 'udp' | 'sctp';
  readonly TargetPort: number;
  readonly PublishedPort?: number | undefined;
  readonly PublishMode: 'ingress' | 'host';
}

export interface NodeSpec {
  readonly Name?: string | undefined;
  readonly Labels: Labels;
  readonly Role: 'worker' | 'manager';
  readonly Availability: 'active' | 'pause' | 'drain';
}

/** Images that one node tells of. */
export const imagesMax = 200;

/** Where a host takes encrypted packets of other hosts. */
export interface HostEncryption {
  /** WireGuard's: 32 bytes in base64. */
  readonly PublicKey: string;
  /** UDP. */
  readonly Port: number;
}

/** What an agent says of its host. Docker's shape, and more. */
export interface NodeDescription {
  readonly Hostname: string;
  readonly Platform: { readonly Architecture: string; readonly OS: string };
  readonly Resources: Resources;
  readonly Engine: {
    readonly EngineVersion: string;
    readonly Labels?: Labels | undefined;
    readonly Plugins: readonly { readonly Type: string; readonly Name: string }[];
  };
  /**
   * Images that the host has, the most recently created first: tags as `name:tag`, digests of registries
   * and ids as `sha256:…`, at most {@link imagesMax}. Absent when the agent does not say.
   */
  readonly Images?: readonly string[] | undefined;
  /** How other hosts reach this one, as its user says, without port; canonical. Absent: where it is seen. */
  readonly AdvertiseAddr?: string | undefined;
  /** Where the host's tunnels end when that is another address than it is reached at; canonical. */
  readonly DataPathAddr?: string | undefined;
  /** How the host takes part in encrypted networks. Absent: it cannot. */
  readonly Encryption?: HostEncryption | undefined;
  readonly TLSInfo?:
    | {
        readonly TrustRoot: string;
        readonly CertIssuerSubject: string;
        readonly CertIssuerPublicKey: string;
      }
    | undefined;
}

export interface ClusterSpec {
  readonly Name: string;
  readonly Labels: Labels;
  readonly Orchestration: { readonly TaskHistoryRetentionLimit: number };
  readonly Raft: {
    readonly SnapshotInterval: number;
    readonly KeepOldSnapshots: number;
    readonly LogEntriesForSlowFollowers: number;
    readonly ElectionTick: number;
    readonly HeartbeatTick: number;
  };
  /** Nanoseconds. */
  readonly Dispatcher: { readonly HeartbeatPeriod: number };
  readonly CAConfig: {
    readonly NodeCertExpiry: number;
    readonly ForceRotate?: number | undefined;
    readonly ExternalCAs?: readonly ExternalCa[] | undefined;
  };
  readonly TaskDefaults: {
    /** Of tasks whose own template names none. */
    readonly LogDriver?:
      | { readonly Name?: string | undefined; readonly Options?: Labels | undefined }
      | undefined;
  };
  readonly EncryptionConfig: { readonly AutoLockManagers: boolean };
}

/** An authority outside of the cluster that signs its certificates. */
export interface ExternalCa {
  readonly Protocol: 'cfssl';
  readonly URL: string;
  readonly Options?: Labels | undefined;
  /** The trust root that it signs for, PEM. */
  readonly CACert?: string | undefined;
}

/** Where a secret or config lies in the container, and whose it is there. */
export interface FileTarget {
  /** Absolute, or relative to `/run/secrets` (secrets) or `/` (configs). */
  readonly Name: string;
  /** Numbers, as texts. */
  readonly UID: string;
  readonly GID: string;
  /** Permission bits. */
  readonly Mode: number;
}

export interface SecretReference {
  readonly SecretID: string;
  readonly SecretName: string;
  /** Absent: the secret is only for templates of other files. */
  readonly File?: FileTarget | undefined;
}

export interface ConfigReference {
  readonly ConfigID: string;
  readonly ConfigName: string;
  readonly File?: FileTarget | undefined;
  /** For the container's runtime, not a file. */
  readonly Runtime?: Readonly<Record<string, never>> | undefined;
}

/** What people say of a secret or config besides its content. */
export interface DocumentSpec {
  readonly Name: string;
  readonly Labels: Labels;
  /** Content that is a template is expanded for each task. */
  readonly Templating?:
    | { readonly Name: string; readonly Options?: Labels | undefined }
    | undefined;
}

export interface NetworkSpec {
  readonly Name: string;
  readonly Labels: Labels;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  /** A node-local network that every cluster knows by name (`host`, `bridge`); hidden from lists. */
  readonly Predefined: boolean;
  /** `swarm`, where the user said it. */
  readonly Scope?: string | undefined;
  readonly EnableIPv6?: boolean | undefined;
  readonly IPAM?: IpamSpec | undefined;
  readonly DriverOptions?: Labels | undefined;
}

export interface IpamSpec {
  readonly Driver?: { readonly Name: string; readonly Options?: Labels | undefined } | undefined;
  readonly Configs?: readonly IpamConfig[] | undefined;
}

export interface IpamConfig {
  /** CIDR; absent: the next free block of the cluster's pools. */
  readonly Subnet?: string | undefined;
  /** CIDR within the subnet that addresses are taken from. */
  readonly IPRange?: string | undefined;
  readonly Gateway?: string | undefined;
  /** Names of addresses that nobody is given. */
  readonly AuxAddresses?: Readonly<Record<string, string>> | undefined;
}
