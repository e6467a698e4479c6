import { systemClock, systemRandom } from '@shoal/runtime';
import { encode } from 'dns-packet';
import { expect, test } from 'vitest';
import { answerTo, FakeUpstream } from '../testing/fake-upstream.ts';
import { parseQuery } from '../wire/query.ts';
import { hostExchange } from './exchange.ts';
import { Forwarder } from './forwarder.ts';

test('a server that refuses EDNS with a bare header (RFC 6891, 7) is asked without', async () => {
  const server = await FakeUpstream.start(({ packet, raw }) => {
    if ((packet.additionals ?? []).length === 0)
      return [answerTo({ packet }, [{ type: 'A', name: 'name.test', ttl: 60, data: '192.0.2.1' }])];
    const header = Buffer.alloc(12);
    raw.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8181, 2);
    return [header];
  });
  const forwarder = new Forwarder({
    exchange: hostExchange(systemClock),
    clock: systemClock,
    random: systemRandom,
    observe: () => undefined,
  });
  const parsed = parseQuery(
    encode({ type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name: 'name.test' }] }),
  );
  if (parsed.kind !== 'query') throw new Error(parsed.kind);
  const forwarded = await forwarder.forward(parsed.query, [server.name]);
  await server.stop();
  expect(forwarded.kind).toBe('reply');
});
