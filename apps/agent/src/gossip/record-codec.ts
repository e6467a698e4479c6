import { isDeepStrictEqual } from 'node:util';
import { valueBytesMax } from '@shoal/gossip';
import { canonical, type EndpointRecord, parseCidr } from '@shoal/state';
import { z } from 'zod';
import { packedCharactersMax, packPorts, portsMax, unpackPorts } from './port-runs.ts';

const text = z.string().max(512);
const texts = z.array(text).max(256);
/** They become parts of commands and rules of the kernel: nothing but an address, without prefix length or zone. */
const address = z.string().refine((said) => !said.includes('/') && canonical(said) !== undefined);
const subnet = z
  .string()
  .refine((said) => parseCidr(said) !== undefined && canonical(said) === said);
const addressesMax = 256;
const allowedMax = 256;
const port = z.number().int().min(0).max(65_535);
/** One by one, or packed where that would be too long. */
const ports = z.union([
  z
    .array(
      z.object({
        protocol: z.enum(['tcp', 'udp', 'sctp']),
        targetPort: port,
        publishedPort: port,
      }),
    )
    .max(portsMax),
  z
    .string()
    .max(packedCharactersMax)
    .transform((packed, context) => {
      const unpacked = unpackPorts(packed);
      if (unpacked !== undefined) return unpacked;
      context.addIssue('no ports');
      return z.NEVER;
    }),
]);

const service = z.looseObject({
  id: text,
  name: text,
  aliases: texts,
  mode: z.enum(['vip', 'dnsrr']),
  virtualIps: z.array(address).max(addressesMax),
  ports,
  sourceAddress: z.enum(['keep', 'masquerade', 'proxy-protocol']).optional(),
  balance: z.enum(['rr', 'lc', 'sh']).optional(),
  allowed: z.array(subnet).max(allowedMax).optional(),
});

/** A record as another host says it: whatever has another form is none. Newer hosts may say more. */
const schema: z.ZodType<EndpointRecord> = z.looseObject({
  networkId: text,
  endpointId: text,
  kind: z.enum(['task', 'container', 'balancer']),
  nodeId: text,
  /** Empty where the host has not said it yet. */
  vtep: z.union([z.literal(''), address]),
  addresses: z.array(address).min(1).max(addressesMax),
  name: text,
  containerAliases: texts,
  slot: z.number().int().min(0),
  service: service.optional(),
  serving: z.boolean(),
});

/**
 * A record as bytes; equal records give equal bytes, whatever the order of their fields. Older hosts read
 * only ports written one by one: they are packed where a record would be too long for any host otherwise.
 */
export function encodeRecord(record: EndpointRecord): Uint8Array {
  const { service: of } = record;
  const plain = bytesOf(record);
  if (plain.length <= valueBytesMax || of === undefined || of.ports.length > portsMax) return plain;
  return bytesOf({ ...record, service: { ...of, ports: packPorts(of.ports) } });
}

function bytesOf(said: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(said, inOrder));
}

/** Reads a record as another host wrote it; undefined for what is none. */
export function decodeRecord(value: Uint8Array): EndpointRecord | undefined {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(value).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

/**
 * Whether a record says what the managers say. The aliases of containers, and that a task sees the balancer
 * instead of its clients, are known by its host alone.
 */
export function saysTheSame(value: Uint8Array, truth: Uint8Array): boolean {
  if (Buffer.compare(value, truth) === 0) return true;
  const said = decodeRecord(value);
  const known = decodeRecord(truth);
  if (said === undefined || known === undefined) return false;
  return isDeepStrictEqual(comparable(said), comparable(known));
}

function comparable(record: EndpointRecord): unknown {
  const { containerAliases: _aliases, service: of, ...rest } = record;
  if (of === undefined) return rest;
  const { sourceAddress: _source, ...fields } = of;
  return { ...rest, service: fields };
}

/** For `JSON.stringify`: fields of objects by name. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
