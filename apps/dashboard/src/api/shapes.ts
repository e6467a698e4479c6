import { z } from 'zod';

/**
 * What is read of the API's answers, and no more. Lists that Go writes as null are empty.
 * Sources: Docker's Engine API 1.50, and `/shoal/v1/openapi.json`.
 */
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((given) => given ?? {});
const listOf = <S extends z.ZodType>(item: S) =>
  z
    .array(item)
    .nullish()
    .transform((given) => given ?? []);

const amounts = z.object({ NanoCPUs: z.number().default(0), MemoryBytes: z.number().default(0) });

const node = z.object({
  ID: z.string(),
  CreatedAt: z.string(),
  Spec: z.object({ Role: z.string(), Availability: z.string(), Labels: texts }),
  Description: z.object({
    Hostname: z.string().default(''),
    Platform: z
      .object({ Architecture: z.string().default(''), OS: z.string().default('') })
      .prefault({}),
    Resources: amounts.prefault({}),
    Engine: z.object({ EngineVersion: z.string().default('') }).prefault({}),
  }),
  Status: z.object({
    State: z.string(),
    Message: z.string().default(''),
    Addr: z.string().default(''),
  }),
  ManagerStatus: z
    .object({ Leader: z.boolean().default(false), Reachability: z.string() })
    .optional(),
});
export const nodes = z.array(node);
export type Node = z.output<typeof node>;

const reference = (name: string) => listOf(z.object({ [name]: z.string() }));
const taskTemplate = z.object({
  ContainerSpec: z
    .object({
      Image: z.string().default(''),
      Secrets: reference('SecretID'),
      Configs: reference('ConfigID'),
    })
    .optional(),
  Resources: z.object({ Reservations: amounts.partial().optional() }).nullish(),
  Networks: listOf(z.object({ Target: z.string() })),
});

const port = z.object({
  Protocol: z.string().default('tcp'),
  TargetPort: z.number(),
  PublishedPort: z.number().default(0),
  PublishMode: z.string().default('ingress'),
});
const service = z.object({
  ID: z.string(),
  CreatedAt: z.string(),
  UpdatedAt: z.string(),
  Spec: z.object({
    Name: z.string(),
    Labels: texts,
    TaskTemplate: taskTemplate,
    Mode: z.looseObject({}),
  }),
  Endpoint: z
    .object({
      Ports: listOf(port),
      VirtualIPs: listOf(z.object({ NetworkID: z.string(), Addr: z.string().default('') })),
    })
    .prefault({}),
  UpdateStatus: z
    .object({ State: z.string().default(''), Message: z.string().default('') })
    .optional(),
  ServiceStatus: z.object({ RunningTasks: z.number(), DesiredTasks: z.number() }).optional(),
});
export const services = z.array(service);
export type Service = z.output<typeof service>;

const task = z.object({
  ID: z.string(),
  CreatedAt: z.string(),
  ServiceID: z.string().default(''),
  Slot: z.number().default(0),
  NodeID: z.string().default(''),
  DesiredState: z.string(),
  Spec: taskTemplate,
  Status: z.object({
    Timestamp: z.string(),
    State: z.string(),
    Message: z.string().default(''),
    Err: z.string().default(''),
    ContainerStatus: z
      .object({ ContainerID: z.string().default(''), ExitCode: z.number().default(0) })
      .nullish(),
  }),
});
export const tasks = z.array(task);
export type Task = z.output<typeof task>;

const network = z.object({
  Id: z.string(),
  Name: z.string(),
  Driver: z.string(),
  Scope: z.string(),
  Internal: z.boolean().default(false),
  Attachable: z.boolean().default(false),
  Ingress: z.boolean().default(false),
  IPAM: z.object({ Config: listOf(z.object({ Subnet: z.string().default('') })) }).prefault({}),
});
export const networks = z.array(network);
export type Network = z.output<typeof network>;

const stored = z.object({
  ID: z.string(),
  CreatedAt: z.string(),
  UpdatedAt: z.string(),
  Spec: z.object({ Name: z.string(), Labels: texts }),
});
/** Secrets, or configs. */
export const storedValues = z.array(stored);
export type StoredValue = z.output<typeof stored>;

const amount = z.object({ has: z.number(), reserved: z.number() });
export type Amount = z.output<typeof amount>;
const room = { tasks: z.number(), nanoCpus: amount, memoryBytes: amount };
const nodeName = z.object({ id: z.string(), hostname: z.string() });
export const status = z.object({
  logIndex: z.number(),
  managers: z.object({
    total: z.number(),
    reachable: z.number(),
    needed: z.number(),
    quorum: z.boolean(),
  }),
  capacity: z.object(room),
  stages: z.array(z.object({ stage: z.string(), alive: z.boolean() })),
  services: z.object({
    total: z.number(),
    converged: z.number(),
    unconverged: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        running: z.number(),
        desired: z.number(),
        reason: z.string(),
      }),
    ),
  }),
  networks: z.object({
    total: z.number(),
    list: z.array(z.object({ id: z.string(), name: z.string(), problem: z.string() })),
  }),
});
export type Status = z.output<typeof status>;

export const capacity = z.object({ nodes: z.array(z.object({ node: nodeName, ...room })) });

const place = z.object({
  id: z.string(),
  service: z.string(),
  slot: z.number(),
  node: z.string(),
  state: z.string(),
  err: z.string().default(''),
});
export const places = z.object({ tasks: z.array(place) });
export type Place = z.output<typeof place>;

const value = z.union([z.string(), z.number(), z.boolean()]).optional();
export const audit = z.object({
  Records: z.array(
    z.object({
      Index: z.number(),
      Time: z.string(),
      Actor: z.object({
        Kind: z.string(),
        Name: z.string(),
        Client: z.string().optional(),
        Node: z.object({ Hostname: z.string() }).optional(),
      }),
      Changes: z.array(
        z.object({
          Op: z.enum(['create', 'update', 'delete']),
          Kind: z.string(),
          ID: z.string(),
          Name: z.string(),
          Fields: z.array(z.object({ Path: z.string(), From: value, To: value })),
        }),
      ),
      LeftOut: z.number(),
    }),
  ),
});
export type AuditRecord = z.output<typeof audit>['Records'][number];

export const survivability = z.object({
  nodes: z.array(
    z.object({
      node: nodeName,
      moves: z.number(),
      wontFitCount: z.number(),
      wontFit: z.array(z.object({ task: z.string(), reason: z.string() })),
      losesOnly: z.array(z.object({ service: z.string(), reason: z.string() })),
      managers: z.object({ keepsQuorum: z.boolean() }).optional(),
    }),
  ),
});
export type NodeLoss = z.output<typeof survivability>['nodes'][number];

export const explanation = z.object({
  service: z.object({ revision: z.number(), update: z.string(), scaling: z.string() }),
  tasks: z.array(z.object({ id: z.string(), name: z.string(), waitsFor: z.string() })),
});

export const revisions = z.object({
  Revisions: z.array(
    z.object({
      Number: z.number(),
      CreatedAt: z.string(),
      Current: z.boolean(),
      Previous: z.boolean(),
      RunningTasks: z.number(),
      Spec: z.json(),
    }),
  ),
});
export type Revision = z.output<typeof revisions>['Revisions'][number];

export const changes = z.object({ logIndex: z.number() });
export const refusal = z.object({ message: z.string() });
export const session = z.object({ token: z.string() });
