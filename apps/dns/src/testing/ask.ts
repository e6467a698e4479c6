import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { pause, systemClock } from '@shoal/runtime';
import { type DecodedPacket, decode, encode, type RecordType } from 'dns-packet';

const patienceMs = 20_000;
const lookMs = 10;
let lastId = 0;

/** Waits until `look` gives something. */
export async function eventually<T>(what: string, look: () => T | undefined): Promise<T> {
  const end = systemClock.monotonic() + patienceMs;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (systemClock.monotonic() > end) throw new Error(`within ${patienceMs} ms: ${what}`);
    await pause(systemClock, lookMs);
  }
}

export function question(name: string, type: RecordType = 'A'): Buffer {
  lastId = (lastId + 1) % 65_536;
  return encode({ type: 'query', id: lastId, flags: 0x100, questions: [{ type, name }] });
}

/** Asks over `socket`, and gives the answer. */
export async function ask(
  socket: Socket,
  server: { readonly address: string; readonly port: number },
  packet: Buffer,
): Promise<DecodedPacket> {
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(patienceMs) });
  socket.send(packet, server.port, server.address);
  const [answer] = (await answered) as [Buffer];
  return decode(answer);
}

/** The addresses, targets and ports of an answer. */
export function dataOf(packet: DecodedPacket): readonly string[] {
  return (packet.answers ?? []).map((answer) =>
    'data' in answer && typeof answer.data === 'string' ? answer.data : JSON.stringify(answer),
  );
}
