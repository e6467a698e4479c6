/**
 * As much of HTTP/2 and gRPC as a load generator needs (RFC 9113; RFC 7541 without the dynamic table): it
 * must cost little beside what it measures. etcd is driven with it.
 */

export const frameHeaderBytes = 9;
const messagePrefixBytes = 5;
export const frameTypes = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
export const flags = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const;
const initialWindowSetting = 4;
/** A window that no run of a benchmark fills, bytes. */
const windowBytes = 0x7fff_ffff;
/** What may be sent before the server has granted more, on each stream and in all. */
const windowBytesDefault = 65_535;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function encodeFrame(type: number, flag: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flag, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** What a client says first: the preface, settings of its own, and that it takes all there is. */
export function opening(): Buffer {
  const window = Buffer.alloc(4);
  window.writeUInt32BE(windowBytes - windowBytesDefault);
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(initialWindowSetting, 0);
  settings.writeUInt32BE(windowBytes, 2);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    encodeFrame(frameTypes.settings, 0, 0, settings),
    encodeFrame(frameTypes.windowUpdate, 0, 0, window),
  ]);
}

/** The whole frames at the beginning of `bytes`, and what is left. */
export function splitFrames(bytes: Buffer): { frames: readonly Frame[]; rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= frameHeaderBytes) {
    const end = at + frameHeaderBytes + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
      payload: bytes.subarray(at + frameHeaderBytes, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** A whole call but for its number: headers, and the message as the end of the stream. */
export class CallTemplate {
  readonly #bytes: Buffer;
  readonly #dataAt: number;

  constructor(authority: string, path: string, message: Buffer) {
    const headers = requestHeaders(authority, path, 0);
    const data = prefixed(message);
    this.#dataAt = headers.length;
    this.#bytes = Buffer.concat([headers, encodeFrame(frameTypes.data, flags.endStream, 0, data)]);
  }

  /** The call as the stream of this number. */
  call(stream: number): Buffer {
    const bytes = Buffer.from(this.#bytes);
    bytes.writeUInt32BE(stream, 5);
    bytes.writeUInt32BE(stream, this.#dataAt + 5);
    return bytes;
  }
}

/** A message of gRPC as it travels: not compressed, with its length. */
export function prefixed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(messagePrefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/**
 * Begins a call: indexed fields, and literals that are not remembered, with names of the static table where
 * it has them.
 */
function requestHeaders(authority: string, path: string, stream: number): Buffer {
  const block = Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    Buffer.from([0x04]), // :path
    text(path),
    Buffer.from([0x01]), // :authority
    text(authority),
    Buffer.from([0x0f, 0x10]), // content-type
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ]);
  return encodeFrame(frameTypes.headers, flags.endHeaders, stream, block);
}

function text(value: string): Buffer {
  if (value.length >= 127) throw new Error(`${value} does not fit into one byte of length`);
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
}

/** `etcdserverpb.PutRequest`: key 1 and value 2, both bytes. */
export function putRequest(key: Buffer, value: Buffer): Buffer {
  return Buffer.concat([field(1, key), field(2, value)]);
}

function field(number: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
