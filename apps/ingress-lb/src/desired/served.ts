import { isBalanced, servedDigest } from '@shoal/overlay';
import { type EndpointRecord, familyOf } from '@shoal/state';
import { type Balancing, frontKey, hasKnownProtocol } from './balancing.ts';

/**
 * Digest of what the kernel really balances: of the records whose every backend is there, and of backends
 * that no record asks for, so that any difference shows. SCTP ports that a kernel cannot balance are no
 * difference: nothing would ever mend it.
 */
export function actualDigest(
  records: Iterable<EndpointRecord>,
  actual: Balancing,
  networkId: string,
  noSctp?: string | undefined,
): string {
  const unexplained = openPlaces(actual);
  const served: EndpointRecord[] = [];
  for (const record of records) {
    if (!isBalanced(record)) continue;
    if (placesOf(record, actual, noSctp).every((place) => unexplained.has(place)))
      served.push(record);
  }
  for (const record of served) {
    for (const place of placesOf(record, actual, noSctp)) unexplained.delete(place);
  }
  return servedDigest(
    [...served, ...[...unexplained].map((place) => stray(place, networkId))],
    'balancer',
  );
}

function openPlaces({ servers }: Balancing): Set<string> {
  const places = new Set<string>();
  for (const [key, { backends }] of servers) {
    for (const { address, port, open } of backends) {
      if (open) places.add(placeText(key, address, port));
    }
  }
  return places;
}

function placeText(key: string, address: string, port: number): string {
  return `${key} ${address} ${port}`;
}

/** Where a record has to be in the kernel. */
function placesOf(
  { addresses, service }: EndpointRecord,
  { leg }: Balancing,
  noSctp: string | undefined,
): readonly string[] {
  const places: string[] = [];
  for (const address of addresses) {
    const family = familyOf(address);
    for (const virtual of service?.mode === 'vip' ? service.virtualIps : []) {
      if (familyOf(virtual) === family) places.push(placeText(virtual, address, 0));
    }
    if (leg === undefined) continue;
    for (const { protocol, publishedPort, targetPort } of service?.ports.filter(hasKnownProtocol) ??
      []) {
      if (publishedPort === 0 || (protocol === 'sctp' && noSctp !== undefined)) continue;
      const key = frontKey({ kind: 'port', family, protocol, port: publishedPort });
      places.push(placeText(key, address, targetPort));
    }
  }
  return places;
}

/** Stands for a backend that should not be there. */
function stray(place: string, networkId: string): EndpointRecord {
  return {
    networkId,
    endpointId: `stray ${place}`,
    kind: 'task',
    nodeId: '',
    vtep: '',
    addresses: [],
    name: '',
    containerAliases: [],
    slot: 0,
    service: { id: '', name: '', aliases: [], mode: 'vip', virtualIps: [], ports: [] },
    serving: true,
  };
}
