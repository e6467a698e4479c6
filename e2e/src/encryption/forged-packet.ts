const vxlanHeaderBytes = 8;
const ethernetBytes = 14;
const ipBytes = 20;
const udpBytes = 8;
const discardPort = 9;

export interface Forged {
  readonly vni: number;
  /** Of the container that it is for. */
  readonly mac: string;
  readonly to: string;
  readonly from: string;
  readonly port: number;
  readonly text: string;
}

/** A datagram as a VXLAN tunnel would carry it, made by somebody on the wire. */
export function forgedPacket({ vni, mac, to, from, port, text }: Forged): Buffer {
  const payload = Buffer.from(text);
  const bytes = Buffer.alloc(vxlanHeaderBytes + ethernetBytes + ipBytes + udpBytes);
  bytes.writeUInt8(0x08, 0);
  bytes.writeUIntBE(vni, 4, 3);
  const ethernet = bytes.subarray(vxlanHeaderBytes);
  Buffer.from(mac.replaceAll(':', ''), 'hex').copy(ethernet, 0);
  Buffer.from('020000000099', 'hex').copy(ethernet, 6);
  ethernet.writeUInt16BE(0x0800, 12);
  const ip = ethernet.subarray(ethernetBytes);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(ipBytes + udpBytes + payload.length, 2);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(17, 9);
  Buffer.from(from.split('.').map(Number)).copy(ip, 12);
  Buffer.from(to.split('.').map(Number)).copy(ip, 16);
  ip.writeUInt16BE(checksum(ip.subarray(0, ipBytes)), 10);
  const udp = ip.subarray(ipBytes);
  // Whoever it pretends to be does not answer, or the two would talk for ever.
  udp.writeUInt16BE(discardPort, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(udpBytes + payload.length, 4);
  return Buffer.concat([bytes, payload]);
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
