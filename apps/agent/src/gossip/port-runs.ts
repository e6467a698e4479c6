import type { RecordPort } from '@shoal/state';

/** Ports of one record. */
export const portsMax = 1_024;
/** Bytes of one port: one for protocol and form, then target and published port. */
const portBytes = 5;
/** Bytes of a run: its first port, and how many follow on, each one higher on both sides. */
const runBytes = portBytes + 2;
/** Longest text of {@link portsMax} ports: none follows on another; characters of base64. */
export const packedCharactersMax = Math.ceil((portsMax * portBytes) / 3) * 4;
const runFlag = 0x80;
const protocols = ['tcp', 'udp', 'sctp'] as const;

interface Run {
  readonly first: RecordPort;
  count: number;
}

/** Ports as base64, in the order they have; equal ports give equal text. */
export function packPorts(ports: readonly RecordPort[]): string {
  return Buffer.concat(runsOf(ports).map(packRun)).toString('base64');
}

/** Reads ports; undefined for text that {@link packPorts} would not make, and for too many. */
export function unpackPorts(packed: string): readonly RecordPort[] | undefined {
  const bytes = Buffer.from(packed, 'base64');
  const ports: RecordPort[] = [];
  for (let at = 0; at < bytes.length; ) {
    const head = bytes.readUInt8(at);
    const isRun = (head & runFlag) !== 0;
    const protocol = protocols[head & ~runFlag];
    const end = at + (isRun ? runBytes : portBytes);
    if (protocol === undefined || end > bytes.length) return undefined;
    const target = bytes.readUInt16BE(at + 1);
    const published = bytes.readUInt16BE(at + 3);
    const more = isRun ? bytes.readUInt16BE(at + portBytes) : 0;
    const isTooHigh = Math.max(target, published) + more > 0xffff;
    if (isTooHigh || ports.length + more >= portsMax) return undefined;
    for (let step = 0; step <= more; step += 1)
      ports.push({ protocol, targetPort: target + step, publishedPort: published + step });
    at = end;
  }
  return ports;
}

function runsOf(ports: readonly RecordPort[]): readonly Run[] {
  const runs: Run[] = [];
  for (const port of ports) {
    const last = runs.at(-1);
    if (last !== undefined && follows(port, last)) last.count += 1;
    else runs.push({ first: port, count: 1 });
  }
  return runs;
}

function follows({ protocol, targetPort, publishedPort }: RecordPort, { first, count }: Run) {
  return (
    protocol === first.protocol &&
    targetPort === first.targetPort + count &&
    publishedPort === first.publishedPort + count
  );
}

function packRun({ first, count }: Run): Buffer {
  const isRun = count > 1;
  const bytes = Buffer.alloc(isRun ? runBytes : portBytes);
  bytes.writeUInt8(protocols.indexOf(first.protocol) | (isRun ? runFlag : 0), 0);
  bytes.writeUInt16BE(first.targetPort, 1);
  bytes.writeUInt16BE(first.publishedPort, 3);
  if (isRun) bytes.writeUInt16BE(count - 1, portBytes);
  return bytes;
}
