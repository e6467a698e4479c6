import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';

/** What the server does with one question: packets to send back, none for silence. */
export type Behaviour = (
  question: { readonly packet: DecodedPacket; readonly raw: Buffer },
  over: 'udp' | 'tcp',
) => readonly Buffer[];

/** A DNS server of the outside, on real sockets, that does what a test says and counts what it hears. */
export class FakeUpstream {
  readonly #udp: Socket;
  readonly #tcp: Server;
  behaviour: Behaviour;
  readonly heard: { readonly over: 'udp' | 'tcp'; readonly packet: DecodedPacket; port: number }[] =
    [];

  private constructor(udp: Socket, tcp: Server, behaviour: Behaviour) {
    this.#udp = udp;
    this.#tcp = tcp;
    this.behaviour = behaviour;
  }

  static async start(behaviour: Behaviour): Promise<FakeUpstream> {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    const server = new FakeUpstream(udp, tcp, behaviour);
    server.#listen();
    return server;
  }

  /** As upstreams are named. */
  get name(): string {
    return `127.0.0.1:${this.#udp.address().port}`;
  }

  /** Answers a question over UDP later than at once. */
  reply(question: { readonly packet: DecodedPacket }, address: string): void {
    const port = this.heard.find(({ packet }) => packet === question.packet)?.port ?? 0;
    const name = question.packet.questions?.[0]?.name ?? '';
    const answer: Answer = { type: 'A', name, ttl: 60, data: address };
    this.#udp.send(answerTo(question, [answer]), port, '127.0.0.1');
  }

  async stop(): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #listen(): void {
    this.#udp.on('message', (raw, from) => {
      for (const reply of this.#answer(raw, 'udp', from.port)) {
        this.#udp.send(reply, from.port, from.address);
      }
    });
    this.#tcp.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (chunk) => {
        for (const reply of this.#answer(chunk.subarray(2), 'tcp', socket.remotePort ?? 0)) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          // In two pieces, as a network may deliver it.
          socket.write(length);
          socket.write(reply);
        }
        socket.end();
      });
    });
  }

  #answer(raw: Buffer, over: 'udp' | 'tcp', port: number): readonly Buffer[] {
    const packet = decode(raw);
    this.heard.push({ over, packet, port });
    return this.behaviour({ packet, raw }, over);
  }
}

/** Bits of an answer's header with a code. */
export const answerFlags = { ok: 0x8180, truncated: 0x8380, formatError: 0x8181, failed: 0x8182 };
export const moreFlags = { noSuchName: 0x8183, refused: 0x8185 };

/** The answer to a question, encoded by dns-packet. */
export function answerTo(
  { packet }: { readonly packet: DecodedPacket },
  answers: Answer[],
  change: Partial<Packet> = {},
): Buffer {
  const { id = 0, questions = [] } = packet;
  const bits = (change.flags ?? answerFlags.ok) & 0x7fff;
  const extended = change as Packet;
  return encode({ type: 'response', id, questions, answers, ...extended, flags: bits });
}

export const soa = (name: string, ttl: number, minimum: number): Answer => ({
  ...{ type: 'SOA', name, ttl },
  data: {
    ...{ mname: 'ns.test', rname: 'root.test', serial: 1, refresh: 2, retry: 3, expire: 4 },
    minimum,
  },
});
