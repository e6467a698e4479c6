import type { Clock } from '@shoal/runtime';
import type { IdentityState } from './identity.ts';
import { watchIdentity } from './watch.ts';

export interface IdentityFollowerOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  /** Makes of the host what the identity says. A rejection ends the following. */
  readonly become: (state: IdentityState) => Promise<void>;
  readonly onFatal: (error: unknown) => void;
}

/** Follows a host's identity: changes are worked off one after the other; of those that come meanwhile the newest counts. */
export class IdentityFollower {
  readonly #options: IdentityFollowerOptions;
  readonly #unwatch: () => void;
  #wanted: IdentityState = { kind: 'none' };
  #following = false;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: IdentityFollowerOptions) {
    this.#options = options;
    this.#unwatch = watchIdentity(options.dataDir, options.clock, (state) => this.#changed(state));
  }

  /** The identity as it is on the disk; the host may be on its way there. */
  get wanted(): IdentityState {
    return this.#wanted;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwatch();
    await this.#work;
  }

  #changed(state: IdentityState): void {
    this.#wanted = state;
    if (this.#following || this.#stopped) return;
    this.#following = true;
    this.#work = this.#follow().catch((error: unknown) => this.#options.onFatal(error));
  }

  async #follow(): Promise<void> {
    let seen: IdentityState | undefined;
    while (seen !== this.#wanted && !this.#stopped) {
      seen = this.#wanted;
      await this.#options.become(seen);
    }
    // At once with the last look: what comes after it begins anew.
    this.#following = false;
  }
}
