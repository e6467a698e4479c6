import { createHash } from 'node:crypto';
import type { EndpointRecord, RecordPort, RecordService } from '@shoal/state';

/** Who serves records on a host: the resolver, the balancer, and the kernel's tables of peers. */
export type DigestConsumer = 'names' | 'balancer' | 'peers';

const digestBytes = 16;

/**
 * Says in a few bytes what is served of one network, whatever the order of records and of lists in them:
 * SHA-256, the first 16 bytes in hexadecimal. Two hosts with the same digest serve the same. Container
 * aliases are left out, since only the container's own host knows them before gossip tells.
 */
export function servedDigest(records: Iterable<EndpointRecord>, consumer: DigestConsumer): string {
  const lines: string[] = [];
  for (const record of records) {
    const fact = factOf[consumer](record);
    if (fact !== undefined) lines.push(JSON.stringify(fact));
  }
  const hash = createHash('sha256');
  for (const line of lines.sort()) hash.update(line).update('\n');
  return hash.digest().subarray(0, digestBytes).toString('hex');
}

/** What a consumer makes of a record; undefined when it is none of its business. */
const factOf: Readonly<Record<DigestConsumer, (record: EndpointRecord) => unknown>> = {
  names: (record) => (isNamed(record) ? nameFact(record) : undefined),
  balancer: (record) => (isBalanced(record) ? balancerFact(record) : undefined),
  peers: ({ endpointId, addresses, vtep }) => [endpointId, sorted(addresses), vtep],
};

/** Whether names of the record resolve. */
export function isNamed(record: EndpointRecord): boolean {
  return record.serving && record.name !== '';
}

/** Whether the record is one of a service that balancers send to. */
export function isBalanced(
  record: EndpointRecord,
): record is EndpointRecord & { readonly service: RecordService } {
  return record.serving && record.service !== undefined;
}

function nameFact({ endpointId, addresses, name, slot, service }: EndpointRecord): unknown {
  const own = [endpointId, sorted(addresses), name, slot];
  if (service === undefined) return own;
  const { id, mode, virtualIps, aliases } = service;
  return [...own, id, service.name, mode, sorted(virtualIps), sorted(aliases)];
}

function balancerFact({
  endpointId,
  addresses,
  service,
}: EndpointRecord & { readonly service: RecordService }): unknown {
  const ports = sorted(service.ports.map(portText));
  return [endpointId, sorted(addresses), service.id, sorted(service.virtualIps), ports];
}

function portText({ protocol, publishedPort, targetPort }: RecordPort): string {
  return `${protocol}/${publishedPort}:${targetPort}`;
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...texts].sort();
}
