import { z } from 'zod';
import {
  filledFlag,
  filledInteger,
  filledText,
  flag,
  flagPointer,
  integer,
  integerPointer,
  list,
  map,
  pointer,
  strings,
  structs,
  text,
  unsigned,
  unsignedPointer,
} from './go-values.ts';

const driver = z.object({ Name: text, Options: map });

const mount = z.object({
  Type: text,
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: text,
  BindOptions: pointer(
    z.object({
      Propagation: text,
      NonRecursive: flag,
      CreateMountpoint: flag,
      ReadOnlyNonRecursive: flag,
      ReadOnlyForceRecursive: flag,
    }),
  ),
  VolumeOptions: pointer(
    z.object({ NoCopy: flag, Labels: map, Subpath: text, DriverConfig: pointer(driver) }),
  ),
  ImageOptions: pointer(z.object({ Subpath: text })),
  TmpfsOptions: pointer(
    z.object({ SizeBytes: integer, Mode: unsigned, Options: list(z.array(z.string())) }),
  ),
});

const fileTarget = z.object({ Name: text, UID: text, GID: text, Mode: unsigned });

const privileges = z.object({
  CredentialSpec: pointer(z.object({ Config: filledText, File: filledText, Registry: filledText })),
  SELinuxContext: pointer(
    z.object({
      Disable: filledFlag,
      User: filledText,
      Role: filledText,
      Type: filledText,
      Level: filledText,
    }),
  ),
  Seccomp: pointer(z.object({ Mode: text, Profile: text })),
  AppArmor: pointer(z.object({ Mode: text })),
  NoNewPrivileges: flag,
});

const healthcheck = z.object({
  Test: strings,
  Interval: integer,
  Timeout: integer,
  StartPeriod: integer,
  StartInterval: integer,
  Retries: integer,
});

const containerSpec = z.object({
  Image: text,
  Labels: map,
  Command: strings,
  Args: strings,
  Hostname: text,
  Env: strings,
  Dir: text,
  User: text,
  Groups: strings,
  Privileges: pointer(privileges),
  Init: flagPointer,
  StopSignal: text,
  TTY: flag,
  OpenStdin: flag,
  ReadOnly: flag,
  Mounts: structs(mount),
  StopGracePeriod: integerPointer,
  Healthcheck: pointer(healthcheck),
  Hosts: strings,
  DNSConfig: pointer(z.object({ Nameservers: strings, Search: strings, Options: strings })),
  Secrets: structs(z.object({ File: pointer(fileTarget), SecretID: text, SecretName: text })),
  Configs: structs(
    z.object({
      File: pointer(fileTarget),
      Runtime: pointer(z.object({})),
      ConfigID: text,
      ConfigName: text,
    }),
  ),
  Isolation: text,
  Sysctls: map,
  CapabilityAdd: strings,
  CapabilityDrop: strings,
  Ulimits: structs(
    z.object({
      Name: filledText,
      Soft: filledInteger,
      Hard: filledInteger,
    }),
  ),
  OomScoreAdj: integer,
});

const genericResource = z.object({
  NamedResourceSpec: pointer(z.object({ Kind: filledText, Value: filledText })),
  DiscreteResourceSpec: pointer(z.object({ Kind: filledText, Value: filledInteger })),
});

const limits = z.object({ NanoCPUs: integer, MemoryBytes: integer, Pids: integer });
const reservations = z.object({
  NanoCPUs: integer,
  MemoryBytes: integer,
  GenericResources: structs(genericResource),
});

const networkAttachment = z.object({
  Target: filledText,
  Aliases: strings,
  DriverOpts: map,
});

const updateConfig = z.object({
  Parallelism: unsigned,
  Delay: integer,
  FailureAction: text,
  Monitor: integer,
  MaxFailureRatio: z
    .number()
    .nullish()
    .transform((value) => value ?? undefined),
  Order: text,
});

const portConfig = z.object({
  Name: text,
  Protocol: text,
  TargetPort: unsigned,
  PublishedPort: unsigned,
  PublishMode: text,
});

const taskTemplate = z.object({
  ContainerSpec: pointer(containerSpec),
  PluginSpec: pointer(z.object({})),
  NetworkAttachmentSpec: pointer(z.object({})),
  Resources: pointer(z.object({ Limits: pointer(limits), Reservations: pointer(reservations) })),
  RestartPolicy: pointer(
    z.object({
      Condition: text,
      Delay: integerPointer,
      MaxAttempts: unsignedPointer,
      Window: integerPointer,
    }),
  ),
  Placement: pointer(
    z.object({
      Constraints: strings,
      Preferences: structs(
        z.object({ Spread: pointer(z.object({ SpreadDescriptor: filledText })) }),
      ),
      MaxReplicas: unsigned,
      Platforms: structs(z.object({ Architecture: text, OS: text })),
    }),
  ),
  Networks: structs(networkAttachment),
  LogDriver: pointer(driver),
  ForceUpdate: unsigned,
  Runtime: text,
});

const empty = pointer(z.object({}));

const mode = z.object({
  Replicated: pointer(z.object({ Replicas: unsignedPointer })),
  Global: empty,
  ReplicatedJob: pointer(
    z.object({ MaxConcurrent: unsignedPointer, TotalCompletions: unsignedPointer }),
  ),
  GlobalJob: empty,
});

/** `ServiceSpec` as a client sends it, before defaults. */
export const serviceSpecSchema = z.object({
  Name: text,
  Labels: map,
  TaskTemplate: taskTemplate.nullish().transform((value) => value ?? taskTemplate.parse({})),
  Mode: mode.nullish().transform((value) => value ?? mode.parse({})),
  UpdateConfig: pointer(updateConfig),
  RollbackConfig: pointer(updateConfig),
  Networks: structs(networkAttachment),
  EndpointSpec: pointer(z.object({ Mode: text, Ports: structs(portConfig) })),
});

export type ServiceSpecRequest = z.output<typeof serviceSpecSchema>;
export type ContainerSpecRequest = z.output<typeof containerSpec>;
export type MountRequest = z.output<typeof mount>;
export type UpdateConfigRequest = z.output<typeof updateConfig>;
