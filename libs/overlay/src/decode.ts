import { type Decoded, decodeJson, endpointRecordShape } from '@shoal/state';
import { z } from 'zod';
import type { HostNetwork, HostNetworkChange, NodeNetwork } from './networks.ts';

// Fields that are not known here are kept: whoever says this may be newer.
const text = z.string();
const id = text.min(1);
const texts = z.array(text);
const words = z.record(text, text);
const count = z.int().nonnegative();

const subnets = z.array(z.looseObject({ subnet: text, gateway: text, vni: count }));

export const nodeNetworkShape: z.ZodType<NodeNetwork> = z.looseObject({
  id,
  name: text,
  subnets,
  internal: z.boolean(),
  attachable: z.boolean(),
  ingress: z.boolean(),
  encrypted: z.boolean(),
  encryptedHosts: z
    .array(z.looseObject({ nodeId: text, vtep: text, publicKey: text, port: count }))
    .optional(),
  mtu: count.optional(),
  dataPathPort: count,
  balancerAddresses: texts,
  options: words,
  labels: words,
});

const hostNetworkShape: z.ZodType<HostNetwork> = z.looseObject({
  id,
  name: text,
  namespace: text,
  subnets,
  internal: z.boolean(),
  ingress: z.boolean(),
  mtu: count,
  balancerAddresses: texts,
  upstreams: texts,
  local: z.array(
    z.looseObject({
      endpointId: text,
      sandbox: text,
      mac: text,
      addresses: texts,
      networks: texts,
      upstreams: texts.optional(),
    }),
  ),
});

const changeShape: z.ZodType<HostNetworkChange> = z.looseObject({
  id,
  removed: z.literal(true).optional(),
  network: hostNetworkShape.optional(),
  complete: z.boolean(),
  records: z.array(endpointRecordShape),
  gone: texts,
});

export function decodeNodeNetwork(bytes: Uint8Array): Decoded<NodeNetwork> {
  return decodeJson('the network', nodeNetworkShape, bytes);
}

export function decodeHostNetworkChange(bytes: Uint8Array): Decoded<HostNetworkChange> {
  return decodeJson('the change', changeShape, bytes);
}
