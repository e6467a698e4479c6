import type { Server } from 'node:http';
import {
  type Clock,
  formatHostPort,
  type HostPort,
  type Logger,
  type Random,
} from '@shoal/runtime';
import { type DoorOptions, dashboardDoor } from './door.ts';
import { DashboardKeys, keyMs } from './keys.ts';

/** The way into the dashboard, or why there is none. */
export type Invitation =
  | {
      readonly kind: 'invited';
      /** Where it listens, as `127.0.0.1:9379`. */
      readonly address: string;
      /** Opens it once. */
      readonly key: string;
      /** How long the key does so, milliseconds. */
      readonly holdsMs: number;
    }
  /** One sentence for a person. */
  | { readonly kind: 'silent'; readonly message: string };

/** The dashboard of this host: who may see it, and where. */
export class Dashboard {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #keys: DashboardKeys;
  #address: string | undefined;
  #silence = 'the dashboard is off on this host: give ./shoal up --dashboard=127.0.0.1:9379';
  #server: Server | undefined;

  constructor(clock: Clock, random: Random, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#keys = new DashboardKeys(clock, random);
  }

  /** Listens. Where that fails it says so, and nothing ends: the control plane works without. */
  async open(at: HostPort, options: Omit<DoorOptions, 'keys'>): Promise<void> {
    const server = dashboardDoor({ ...options, keys: this.#keys });
    const failure = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve);
      server.listen({ host: at.host, port: at.port }, () => {
        server.removeListener('error', resolve);
        resolve(undefined);
      });
    });
    if (failure !== undefined) {
      this.#silence = `the dashboard cannot listen on ${formatHostPort(at)} (${failure.message}): give ./shoal up another --dashboard`;
      this.#logger.warn({ reason: this.#silence }, 'dashboard_silent');
      return;
    }
    this.#server = server;
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : at.port;
    this.#address = formatHostPort({ host: at.host, port });
    this.#logger.info({ address: this.#address }, 'dashboard_listening');
  }

  /** Only for who rules this host: what it gives shows the whole swarm. */
  invite(): Invitation {
    if (this.#address === undefined) return { kind: 'silent', message: this.#silence };
    return {
      kind: 'invited',
      address: this.#address,
      key: this.#keys.makeKey(),
      holdsMs: keyMs,
    };
  }

  /** Takes nobody any more, lets answers end for `graceMs`, then closes what is left. */
  async close(graceMs: number): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const timer = this.#clock.after(graceMs, () => server.closeAllConnections());
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeIdleConnections();
    });
    timer.cancel();
  }
}
