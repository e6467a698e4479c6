import { type Clock, type Instant, type Monotonic, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { decodePacket, encodePacket } from './codec.ts';
import { Gossip } from './gossip.ts';
import { gossipEveryMs, incarnationMax } from './limits.ts';
import type { Packet } from './transport.ts';

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

/** As it comes over the network. */
function sent(packet: Packet): Packet {
  const received = decodePacket(encodePacket(packet));
  if (received === undefined) throw new Error('nobody could read it');
  return received;
}

test('a rumour with the largest incarnation silences nobody: what the host says can still be sent', () => {
  const clock = new FakeClock();
  const packets: Packet[] = [];
  const host = new Gossip({
    id: 'host',
    addr: address(7_001),
    clock,
    random: systemRandom,
    firstTime: 1,
    transport: { send: (_to, packet) => packets.push(sent(packet)), ask: async () => undefined },
    changed: () => undefined,
    applied: async () => undefined,
  });
  const hears = (id: string, port: number, incarnation: number, standing: 'alive' | 'suspect') =>
    host.receive(
      sent({
        from: 'other',
        probe: undefined,
        rumours: [{ id, addr: address(port), incarnation, standing, from: 'other' }],
        tables: [],
      }),
      address(7_002),
    );
  hears('other', 7_002, 0, 'alive');
  for (let time = 0; time < 3; time += 1) {
    hears('host', 7_001, incarnationMax, 'suspect');
    clock.advance(gossipEveryMs);
  }
  const own = packets.flatMap(({ rumours }) => rumours).filter(({ id }) => id === 'host');
  expect(own).toContainEqual(expect.objectContaining({ incarnation: incarnationMax }));
});
