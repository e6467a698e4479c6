import { isIPv4, isIPv6 } from 'node:net';
import { parseAddress } from '@shoal/state';

/** Begins every header of version 2 of the PROXY protocol. */
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Version 2; the connection is a client's. */
const versionAndCommand = 0x21;
const families = { 4: { code: 0x11, addressBytes: 4 }, 6: { code: 0x21, addressBytes: 16 } };
const mapped = /^::ffff:/i;

/** One end of a TCP connection as its socket tells it. */
export interface ConnectionEnd {
  readonly address: string;
  readonly port: number;
}

/**
 * The header that tells a server who its client is: PROXY protocol version 2 over TCP, as HAProxy, nginx,
 * Traefik and Envoy read it. Undefined when the ends are not two addresses of one family.
 */
export function proxyHeader(client: ConnectionEnd, server: ConnectionEnd): Buffer | undefined {
  const from = plain(client.address);
  const to = plain(server.address);
  const family = isIPv4(from) && isIPv4(to) ? 4 : isIPv6(from) && isIPv6(to) ? 6 : undefined;
  if (family === undefined) return undefined;
  const { code, addressBytes } = families[family];
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(client.port, 0);
  ports.writeUInt16BE(server.port, 2);
  const body = Buffer.concat([bytesOf(from, addressBytes), bytesOf(to, addressBytes), ports]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([signature, Buffer.from([versionAndCommand, code]), length, body]);
}

/** A socket of both families shows IPv4 addresses as mapped ones. */
function plain(address: string): string {
  return address.replace(mapped, '').replace(/%.*$/, '');
}

function bytesOf(address: string, count: number): Buffer {
  const value = parseAddress(address)?.value ?? 0n;
  return Buffer.from(value.toString(16).padStart(count * 2, '0'), 'hex');
}
