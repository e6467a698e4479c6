import { type ChildProcess, spawn } from 'node:child_process';

/** What one packet on the wire was. */
export interface Packet {
  readonly protocol: 'tcp' | 'udp' | 'other';
  /** Of UDP; 0 otherwise. */
  readonly port: number;
  readonly isFragment: boolean;
  readonly bytes: Buffer;
}

/** Longest wait for a packet, and pause between looks, milliseconds. */
const passMsMax = 30_000;
const passPollMs = 50;
const fileHeaderBytes = 24;
const packetHeaderBytes = 16;
const ethernetBytes = 14;
const ipv4 = 0x0800;
const protocols = { 6: 'tcp', 17: 'udp' } as const;

/** Reads what `tcpdump -w` writes; a packet that is not whole yet is left out. */
function readPackets(capture: Buffer): readonly Packet[] {
  const packets: Packet[] = [];
  let at = fileHeaderBytes;
  while (at + packetHeaderBytes <= capture.length) {
    const length = capture.readUInt32LE(at + 8);
    const begin = at + packetHeaderBytes;
    if (begin + length > capture.length) break;
    packets.push(readFrame(capture.subarray(begin, begin + length)));
    at = begin + length;
  }
  return packets;
}

function readFrame(bytes: Buffer): Packet {
  const isIpv4 = bytes.length >= ethernetBytes + 20 && bytes.readUInt16BE(12) === ipv4;
  if (!isIpv4) return { protocol: 'other', port: 0, isFragment: false, bytes };
  const ip = bytes.subarray(ethernetBytes);
  const number = ip.readUInt8(9);
  const protocol = number === 6 || number === 17 ? protocols[number] : 'other';
  const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0;
  const header = (ip.readUInt8(0) & 0x0f) * 4;
  const port = protocol === 'udp' && ip.length >= header + 4 ? ip.readUInt16BE(header + 2) : 0;
  return { protocol, port, isFragment, bytes };
}

/** Listens on a device with a raw socket, from when `ready` resolves. */
export class WireTap {
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  readonly #ended: Promise<void>;

  constructor(namespace: string, device: string) {
    const dump = [
      'tcpdump',
      '-i',
      device,
      '-U',
      '-w',
      '-',
      '-s',
      '0',
      '-Z',
      'root',
      '--immediate-mode',
    ];
    this.#child = spawn('nsenter', [`--net=${namespace}`, ...dump], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.#ended = new Promise((resolve) => this.#child.once('close', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      let said = '';
      this.#child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('listening on')) resolve();
      });
      this.#child.once('close', () => reject(new Error(`tcpdump ended: ${said}`)));
    });
  }

  /** Resolves when a packet with this text has passed. */
  async passed(text: string): Promise<void> {
    const end = performance.now() + passMsMax;
    while (!Buffer.concat(this.#chunks).includes(text)) {
      if (performance.now() > end) throw new Error(`${text} has not passed`);
      await new Promise((resolve) => setTimeout(resolve, passPollMs));
    }
  }

  /** Everything that passed since it began. */
  async stop(): Promise<readonly Packet[]> {
    // By this signal it writes out what it has first.
    this.#child.kill('SIGTERM');
    await this.#ended;
    return readPackets(Buffer.concat(this.#chunks));
  }
}
