import type { EndpointRecord, RecordService } from '@shoal/state';
import fc from 'fast-check';

const word = fc.stringMatching(/^[a-z]{1,6}$/);
const address = fc.oneof(fc.ipV4(), fc.constantFrom('fd00::1', 'fd00::2'));
const port = fc.integer({ min: 0, max: 65_535 });

const anyService: fc.Arbitrary<RecordService> = fc.record({
  id: word,
  name: word,
  aliases: fc.uniqueArray(word, { maxLength: 3 }),
  mode: fc.constantFrom('vip', 'dnsrr'),
  virtualIps: fc.uniqueArray(address, { maxLength: 2 }),
  ports: fc.array(
    fc.record({
      protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
      targetPort: port,
      publishedPort: port,
    }),
    { maxLength: 3 },
  ),
});

export const anyRecord: fc.Arbitrary<EndpointRecord> = fc.record({
  networkId: fc.constant('n'),
  endpointId: word,
  kind: fc.constantFrom('task', 'container', 'balancer'),
  nodeId: word,
  vtep: address,
  addresses: fc.uniqueArray(address, { minLength: 1, maxLength: 2 }),
  name: fc.oneof(word, fc.constant('')),
  containerAliases: fc.uniqueArray(word, { maxLength: 2 }),
  slot: fc.nat(5),
  service: fc.option(anyService, { nil: undefined }),
  serving: fc.boolean(),
});

export const anyRecords = fc.uniqueArray(anyRecord, {
  maxLength: 8,
  selector: ({ endpointId }) => endpointId,
});

export const someService: RecordService = {
  id: 's',
  name: 'web',
  aliases: [],
  mode: 'vip',
  virtualIps: ['10.0.0.2'],
  ports: [],
};

export function someRecord(endpointId: string, more: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    networkId: 'n',
    endpointId,
    kind: 'task',
    nodeId: 'h1',
    vtep: '192.0.2.1',
    addresses: ['10.0.0.3'],
    name: `web.1.${endpointId}`,
    containerAliases: [],
    slot: 1,
    service: someService,
    serving: true,
    ...more,
  };
}
