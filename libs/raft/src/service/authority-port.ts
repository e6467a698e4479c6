import { status } from '@grpc/grpc-js';
import type { AuthorityAnswer, AuthorityCall } from './worker-protocol.ts';

/** Calls without an answer from the hosting process; the bridge before it lets fewer through. */
const openMax = 256;

/** The voter's end of the authority's message port. */
export class AuthorityPort {
  readonly #post: (call: number, content: AuthorityCall) => void;
  readonly #open = new Map<number, (answer: AuthorityAnswer) => void>();
  #number = 0;

  constructor(post: (call: number, content: AuthorityCall) => void) {
    this.#post = post;
  }

  ask(content: AuthorityCall): Promise<AuthorityAnswer> {
    if (this.#open.size >= openMax) {
      const message = 'the certificate authority does not keep up; try again';
      return Promise.resolve({ kind: 'error', code: status.RESOURCE_EXHAUSTED, message });
    }
    this.#number += 1;
    const number = this.#number;
    return new Promise((resolve) => {
      this.#open.set(number, resolve);
      this.#post(number, content);
    });
  }

  answered(call: number, answer: AuthorityAnswer): void {
    this.#open.get(call)?.(answer);
    this.#open.delete(call);
  }
}
