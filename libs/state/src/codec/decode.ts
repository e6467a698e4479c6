import { errorMessage } from '@shoal/runtime';
import { z } from 'zod';
import { canonical, parseAddress } from '../address/address.ts';
import { parseCidr } from '../address/cidr.ts';
import type { TaskAssignment } from '../assignment.ts';
import type { EndpointRecord } from '../endpoint-record.ts';
import type { Node, NodeStatus } from '../objects.ts';
import type { NodeDescription, TaskTemplate } from '../spec.ts';

/**
 * What dispatchers and agents say in JSON. Hosts of different versions talk: fields that are not known here
 * are kept, and a word of an open list (a kind, a state, a protocol) may be one that only a newer host knows.
 */
export type Decoded<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** A sentence that names the first field that is wrong. */
  | { readonly kind: 'malformed'; readonly message: string };

/** What an agent is told of its own node, as far as agents look at it. */
export interface OwnNode {
  readonly id: string;
  readonly role: Node['role'];
  readonly status: Pick<NodeStatus, 'addr'>;
  /** Absent until the agent's first session. */
  readonly description?: Pick<NodeDescription, 'AdvertiseAddr' | 'DataPathAddr'> | undefined;
}

const decoder = new TextDecoder();

const text = z.string();
const id = text.min(1);
const texts = z.array(text);
const words = z.record(text, text);
const count = z.int().nonnegative();
/** What becomes of these are arguments and lines of input for programs of root: nothing else passes. */
const address = text.refine((value) => parseAddress(value) !== undefined, 'no address');
const addressOrNone = z.union([z.literal(''), address]);
const subnet = text.refine((value) => parseCidr(value) !== undefined, 'no subnet');
const addressWithPrefix = text.refine((value) => canonical(value) !== undefined, 'no address');

/** Whoever reads such a word compares it with those it knows, and takes others for none of them. */
function openWord<T extends string>(): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string', 'Invalid input: expected string');
}

const recordService: z.ZodType<NonNullable<EndpointRecord['service']>> = z.looseObject({
  id: text,
  name: text,
  aliases: texts,
  mode: openWord<'vip' | 'dnsrr'>(),
  virtualIps: z.array(address),
  ports: z.array(
    z.looseObject({
      protocol: openWord<'tcp' | 'udp' | 'sctp'>(),
      targetPort: count,
      publishedPort: count,
    }),
  ),
  sourceAddress: openWord<'keep' | 'masquerade' | 'proxy-protocol'>().optional(),
  balance: openWord<'rr' | 'lc' | 'sh'>().optional(),
  allowed: z.array(subnet).optional(),
});

export const endpointRecordShape: z.ZodType<EndpointRecord> = z.looseObject({
  networkId: id,
  endpointId: id,
  kind: openWord<EndpointRecord['kind']>(),
  nodeId: text,
  vtep: addressOrNone,
  addresses: z.array(address),
  name: text,
  containerAliases: texts,
  slot: count,
  service: recordService.optional(),
  serving: z.boolean(),
});

const leastTemplate = z.object({ ContainerSpec: z.object({ Image: text }) });
/** What users say in a spec was checked where they said it; here only what no task can be without. */
const templateShape = z.custom<TaskTemplate>(
  (value) => leastTemplate.safeParse(value).success,
  'no ContainerSpec with an Image',
);

const assignmentShape: z.ZodType<TaskAssignment> = z.looseObject({
  taskId: id,
  serviceId: text,
  serviceName: text,
  serviceLabels: words,
  slot: count,
  nodeId: text,
  desired: openWord<TaskAssignment['desired']>(),
  template: templateShape,
  genericResources: z
    .array(
      z.looseObject({
        NamedResourceSpec: z.looseObject({ Kind: text, Value: text }).optional(),
        DiscreteResourceSpec: z.looseObject({ Kind: text, Value: count }).optional(),
      }),
    )
    .optional(),
  hostPorts: z.array(
    z.looseObject({
      Name: text.optional(),
      Protocol: openWord<'tcp' | 'udp' | 'sctp'>(),
      TargetPort: count,
      PublishedPort: count.optional(),
      PublishMode: openWord<'ingress' | 'host'>(),
    }),
  ),
  localNetworks: texts,
  networks: z
    .array(
      z.looseObject({
        networkId: id,
        addresses: z.array(addressWithPrefix),
        driverOptions: words,
        record: endpointRecordShape,
      }),
    )
    .optional(),
  measured: z.boolean().optional(),
  registryAuth: text.optional(),
});

const ownNodeShape: z.ZodType<OwnNode> = z.looseObject({
  id,
  role: openWord<Node['role']>(),
  status: z.looseObject({ addr: text }),
  description: z
    .looseObject({ AdvertiseAddr: text.optional(), DataPathAddr: text.optional() })
    .optional(),
});

export function decodeEndpointRecord(bytes: Uint8Array): Decoded<EndpointRecord> {
  return decodeJson('the record', endpointRecordShape, bytes);
}

export function decodeAssignment(bytes: Uint8Array): Decoded<TaskAssignment> {
  return decodeJson('the assignment', assignmentShape, bytes);
}

export function decodeOwnNode(bytes: Uint8Array): Decoded<OwnNode> {
  return decodeJson('the node', ownNodeShape, bytes);
}

/** Reads UTF-8 JSON of this shape; `what` begins the sentence of a failure. */
export function decodeJson<T>(what: string, shape: z.ZodType<T>, bytes: Uint8Array): Decoded<T> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    return { kind: 'malformed', message: `${what} is no JSON: ${errorMessage(error)}` };
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  const [issue] = parsed.error.issues;
  const place = [what, ...(issue?.path ?? [])].join('.');
  return { kind: 'malformed', message: `${place}: ${issue?.message ?? 'malformed'}` };
}

/** All of a list, or what is wrong with the first that cannot be read. */
export function decodeAll<T>(
  list: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => Decoded<T>,
): Decoded<readonly T[]> {
  const values: T[] = [];
  for (const bytes of list) {
    const decoded = decode(bytes);
    if (decoded.kind === 'malformed') return decoded;
    values.push(decoded.value);
  }
  return { kind: 'ok', value: values };
}
