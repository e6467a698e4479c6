import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { ProposeRequest, ProposeResponse } from '@shoal/proto';
import type { VoterTls } from '@shoal/raft/service';
import {
  encodeFrame,
  type Frame,
  flags,
  frameTypes,
  initialWindowSetting,
  opening,
  prefixed,
  requestHeaders,
  splitFrames,
  splitMessages,
  windowBytesDefault,
} from './http2-frames.ts';

/** As a stage's replica puts them together. */
const requestTransactionsMax = 512;
/** What every server takes in one frame, bytes. */
const frameBytesMax = 16_384;
const path = '/shoal.v1.Log/Propose';
const stream = 1;

interface Waiting {
  readonly transaction: Buffer;
  readonly resolve: (index: number) => void;
  readonly reject: (error: Error) => void;
}

/** One stream of proposals to a voter: what is proposed in one turn of the loop leaves in one message. */
export class ProposalStream {
  readonly #socket: TLSSocket;
  readonly #underWay = new Map<number, readonly Waiting[]>();
  #queue: Waiting[] = [];
  #requestId = 0;
  /** Messages that the server has not granted room for. */
  #unsent: Buffer = Buffer.alloc(0);
  readonly #windows = { connection: windowBytesDefault, stream: windowBytesDefault };
  #initialWindow = windowBytesDefault;
  #frames: Buffer = Buffer.alloc(0);
  #messages: Buffer = Buffer.alloc(0);

  private constructor(socket: TLSSocket, addr: string) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#received(bytes));
    socket.on('error', (error) => this.#failed(error.message));
    socket.on('close', () => this.#failed('the voter closed the connection'));
    socket.write(Buffer.concat([opening(), requestHeaders('https', addr, path, stream)]));
  }

  static async open(addr: string, tls: VoterTls): Promise<ProposalStream> {
    const { hostname: host, port } = new URL(`https://${addr}`);
    const { trustRoots: ca, certificate: cert, key } = tls;
    // The name in the certificate is its role's; that it is signed by the cluster is enough here.
    const checkServerIdentity = (): undefined => undefined;
    const options = { host, port: Number(port), ca, cert, key, checkServerIdentity };
    const socket = connect({ ...options, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    return new ProposalStream(socket, addr);
  }

  /** Resolves with the place of the entry that holds it, once that is committed. */
  propose(transaction: Buffer): Promise<number> {
    if (this.#queue.length === 0) queueMicrotask(() => this.#flush());
    return new Promise((resolve, reject) => this.#queue.push({ transaction, resolve, reject }));
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #flush(): void {
    const messages = [this.#unsent];
    while (this.#queue.length > 0) {
      const waiting = this.#queue.splice(0, requestTransactionsMax);
      this.#requestId += 1;
      const requestId = this.#requestId;
      this.#underWay.set(requestId, waiting);
      const transactions = waiting.map(({ transaction }) => transaction);
      const body = { $case: 'proposal', value: { transactions } } as const;
      messages.push(prefixed(ProposeRequest.encode({ requestId, body }).finish()));
    }
    this.#unsent = Buffer.concat(messages);
    this.#send();
  }

  /** As much as the server has room for. */
  #send(): void {
    const frames: Buffer[] = [];
    const { connection, stream: own } = this.#windows;
    const end = Math.min(connection, own, this.#unsent.length);
    for (let at = 0; at < end; at += frameBytesMax) {
      const piece = this.#unsent.subarray(at, Math.min(at + frameBytesMax, end));
      frames.push(encodeFrame(frameTypes.data, 0, stream, piece));
    }
    if (frames.length === 0) return;
    this.#windows.connection -= end;
    this.#windows.stream -= end;
    this.#unsent = this.#unsent.subarray(end);
    this.#socket.write(Buffer.concat(frames));
  }

  #received(bytes: Buffer): void {
    const { frames, rest } = splitFrames(Buffer.concat([this.#frames, bytes]));
    this.#frames = rest;
    for (const frame of frames) this.#take(frame);
  }

  #take({ type, flags: flag, stream: of, payload }: Frame): void {
    const isAnswer = (flag & flags.ack) !== 0;
    if (type === frameTypes.data) this.#takeData(payload);
    else if (type === frameTypes.windowUpdate) this.#granted(of, payload.readUInt32BE(0));
    else if (type === frameTypes.settings && !isAnswer) this.#settings(payload);
    else if (type === frameTypes.ping && !isAnswer)
      this.#socket.write(encodeFrame(type, flags.ack, 0, payload));
    else if (type === frameTypes.goAway || type === frameTypes.reset)
      this.#failed('the voter ends the stream');
    if (type === frameTypes.headers && (flag & flags.endStream) !== 0)
      this.#failed('the voter refused the stream');
  }

  #takeData(payload: Buffer): void {
    const { messages, rest } = splitMessages(Buffer.concat([this.#messages, payload]));
    this.#messages = rest;
    for (const message of messages) this.#answered(ProposeResponse.decode(message));
  }

  #granted(of: number, bytes: number): void {
    this.#windows[of === 0 ? 'connection' : 'stream'] += bytes;
    this.#send();
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== initialWindowSetting) continue;
      const bytes = payload.readUInt32BE(at + 2);
      this.#windows.stream += bytes - this.#initialWindow;
      this.#initialWindow = bytes;
    }
    this.#socket.write(encodeFrame(frameTypes.settings, flags.ack, 0, Buffer.alloc(0)));
    this.#send();
  }

  #answered({ requestId, index, error }: ProposeResponse): void {
    const waiting = this.#underWay.get(requestId) ?? [];
    this.#underWay.delete(requestId);
    for (const { resolve, reject } of waiting)
      if (error === undefined) resolve(index);
      else reject(new Error(error.message));
  }

  #failed(reason: string): void {
    for (const { reject } of [...this.#underWay.values()].flat()) reject(new Error(reason));
    this.#underWay.clear();
  }
}
