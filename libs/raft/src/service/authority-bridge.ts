import {
  type ServerReadableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '@shoal/runtime';
import type { AuthorityAnswer, AuthorityCall } from './worker-protocol.ts';

/** Requests for certificates under way, and of one address; more are sent away. */
const authorityCallsMax = 64;
export const authorityCallsPerAddressMax = 16;
/** Largest request and answer. */
export const authorityBytesMax = 64 * 1024;
/** A request that is not read or not answered by then is given up, milliseconds. */
const authorityMsMax = 30_000;

const servicePath = '/shoal.v1.CertificateAuthority/';

/** Callers of these have no certificate yet. */
export function isAuthorityPath(path: string): boolean {
  return path.startsWith(servicePath);
}

type Call = ServerReadableStream<Buffer, Buffer>;
type Method = AuthorityCall['method'];

/**
 * Passes the calls of `CertificateAuthority` on as bytes: who issues certificates lives in the hosting
 * process. On the wire a single request is a stream of one, and served as such nothing is read of it
 * before there is room for it.
 */
export class AuthorityBridge {
  readonly #ask: ((call: AuthorityCall) => Promise<AuthorityAnswer>) | undefined;
  readonly #clock: Clock;
  readonly #underWay = new Map<string, number>();
  #count = 0;

  /** Without `ask` there is no authority here. */
  constructor(ask: ((call: AuthorityCall) => Promise<AuthorityAnswer>) | undefined, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  get definition(): ServiceDefinition {
    return { trustRoot: methodOf('TrustRoot'), issue: methodOf('Issue') };
  }

  get implementation(): UntypedServiceImplementation {
    const serve = (method: Method) => (call: Call, callback: sendUnaryData<Buffer>) =>
      this.#serve(method, call, callback);
    return { trustRoot: serve('trustRoot'), issue: serve('issue') };
  }

  #serve(method: Method, call: Call, callback: sendUnaryData<Buffer>): void {
    const remoteAddr = call.getPeer();
    const address = remoteAddr.slice(0, remoteAddr.lastIndexOf(':'));
    const refused = this.#enter(address);
    if (refused !== undefined) {
      callback(refused);
      return;
    }
    const end = this.#ending(call, callback, address);
    let asked = false;
    call.on('end', () => {
      if (!asked) end(failed(status.INVALID_ARGUMENT, 'no request'));
    });
    call.on('data', (request: Buffer) => {
      if (asked) return;
      asked = true;
      const tooLarge = request.length > authorityBytesMax;
      if (!tooLarge) void this.#ask?.({ method, request, remoteAddr }).then(end);
      else end(failed(status.RESOURCE_EXHAUSTED, `at most ${authorityBytesMax} bytes fit`));
    });
  }

  /** Answers once, with nothing when nobody listens any more, and makes room for the next call. */
  #ending(
    call: Call,
    callback: sendUnaryData<Buffer>,
    address: string,
  ): (answer: AuthorityAnswer | undefined) => void {
    let over = false;
    const end = (answer: AuthorityAnswer | undefined): void => {
      if (over) return;
      over = true;
      timer.cancel();
      this.#leave(address);
      if (answer?.kind === 'response') callback(null, Buffer.from(answer.response));
      else if (answer !== undefined) callback({ code: answer.code, details: answer.message });
    };
    const timer = this.#clock.after(authorityMsMax, () =>
      end(failed(status.DEADLINE_EXCEEDED, 'the request took too long')),
    );
    for (const event of ['cancelled', 'error', 'close'] as const)
      call.on(event, () => end(undefined));
    return end;
  }

  /** Counts a call in, or says why it is sent away. */
  #enter(address: string): { code: status; details: string } | undefined {
    if (this.#ask === undefined)
      return { code: status.UNIMPLEMENTED, details: 'no certificates are issued here' };
    const ofAddress = this.#underWay.get(address) ?? 0;
    if (this.#count >= authorityCallsMax || ofAddress >= authorityCallsPerAddressMax) {
      const details = 'too many requests for certificates are under way; try again';
      return { code: status.RESOURCE_EXHAUSTED, details };
    }
    this.#count += 1;
    this.#underWay.set(address, ofAddress + 1);
    return undefined;
  }

  #leave(address: string): void {
    this.#count -= 1;
    const left = (this.#underWay.get(address) ?? 1) - 1;
    if (left > 0) this.#underWay.set(address, left);
    else this.#underWay.delete(address);
  }
}

function failed(code: status, message: string): AuthorityAnswer {
  return { kind: 'error', code, message };
}

function methodOf(name: string): ServiceDefinition[string] {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: `${servicePath}${name}`,
    requestStream: true,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
