const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const fixedBytes = 16;
const families = { 17: 4, 33: 16 } as const;

export interface Proxied {
  /** Absent where there is no header. */
  readonly client?: { readonly address: string; readonly port: number } | undefined;
  readonly rest: Buffer;
}

/**
 * What a server makes of the first bytes of a connection: a header of version 2 of the PROXY protocol, and
 * what the client itself has sent.
 * @throws for a header that is none of TCP over IPv4 or IPv6.
 */
export function readProxyHeader(data: Buffer): Proxied {
  if (!data.subarray(0, signature.length).equals(signature)) return { rest: data };
  const family = data.readUInt8(13);
  if (data.readUInt8(12) !== 0x21 || (family !== 0x11 && family !== 0x21)) {
    throw new Error(`an unknown header: ${data.toString('hex')}`);
  }
  const addressBytes = families[family];
  const length = data.readUInt16BE(14);
  const raw = data.subarray(fixedBytes, fixedBytes + addressBytes);
  const port = data.readUInt16BE(fixedBytes + 2 * addressBytes);
  return {
    client: { address: family === 0x11 ? raw.join('.') : groups(raw), port },
    rest: data.subarray(fixedBytes + length),
  };
}

/** As Node writes IPv6 addresses. */
function groups(raw: Buffer): string {
  const words = Array.from({ length: 8 }, (_, at) => raw.readUInt16BE(at * 2).toString(16));
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1);
}
