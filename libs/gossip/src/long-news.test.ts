import { type Clock, type Instant, type Monotonic, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { decodePacket, encodePacket } from './codec.ts';
import { Gossip } from './gossip.ts';
import { sealBytes } from './keyring.ts';
import { gossipEveryMs, packetBytesMax } from './limits.ts';
import { newsRecordBytesMax } from './tables/record.ts';

class FakeClock implements Clock {
  #ms = 0;
  readonly #timers = new Set<{ readonly at: number; readonly act: () => void }>();
  now = () => this.#ms as Instant;
  monotonic = () => this.#ms as Monotonic;
  after(ms: number, act: () => void) {
    const timer = { at: this.#ms + ms, act };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }
  advance(ms: number): void {
    this.#ms += ms;
    for (const timer of [...this.#timers])
      if (timer.at <= this.#ms && this.#timers.delete(timer)) timer.act();
  }
}
const address = (port: number) => ({ host: '127.0.0.1', port });
const id = (letter: string) => letter.repeat(25);

/** Packets fit values of so many bytes, or do not. */
test.each([
  [900, true],
  [newsRecordBytesMax - 90, true],
  [newsRecordBytesMax - 89, false],
  [1_000, false],
  [4_000, false],
])('a value of %i bytes holds back nothing behind it', (bytes, isTold) => {
  const clock = new FakeClock();
  const told = new Set<string>();
  const host = new Gossip({
    id: id('h'),
    addr: address(7_001),
    clock,
    random: systemRandom,
    firstTime: 1,
    transport: {
      send: (_to, packet) => {
        const encoded = encodePacket(packet);
        expect(encoded.length + sealBytes).toBeLessThanOrEqual(packetBytesMax);
        for (const { records } of decodePacket(encoded)?.tables ?? [])
          for (const record of records) told.add(record.id);
      },
      ask: async () => undefined,
    },
    changed: () => undefined,
    applied: async () => undefined,
  });
  const isIn = { owner: id('o'), id: 'n', time: 5, value: Buffer.alloc(8), ageMs: 0 };
  const alive = { addr: address(7_002), incarnation: 0, standing: 'alive', from: id('o') } as const;
  host.receive(
    {
      from: id('o'),
      probe: undefined,
      tables: [{ network: '', records: [isIn] }],
      rumours: [{ id: id('o'), ...alive }],
    },
    address(7_002),
  );
  host.join('n');
  host.put('n', id('a'), Buffer.alloc(bytes));
  host.put('n', id('b'), Buffer.from('small'));
  for (let round = 0; round < 40; round += 1) clock.advance(gossipEveryMs);
  host.stop();
  expect([told.has(id('a')), told.has(id('b'))]).toEqual([isTold, true]);
});
