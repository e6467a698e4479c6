import { type ChildProcess, type SendHandle, spawn } from 'node:child_process';
import { Socket as UdpSocket } from 'node:dgram';
import { stat } from 'node:fs/promises';
import { Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Clock, errorMessage } from '@shoal/runtime';
import { z } from 'zod';

/** Sockets of one address in one network namespace. */
export interface AddressSockets {
  readonly address: string;
  readonly udp: UdpSocket;
  readonly tcp: Server;
  /** Any port of the same address: for questions to ourselves. */
  readonly probe: UdpSocket;
}

export type Bound =
  | { readonly kind: 'bound'; readonly sockets: readonly AddressSockets[] }
  /** Nothing is left open. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Binds sockets in a network namespace. Port: a child process in production, this namespace in tests. */
export type Bind = (namespace: string, addresses: readonly string[]) => Promise<Bound>;

/** Longest time until a child has bound its sockets; it takes about 0.15 s. */
const bindMsMax = 10_000;

const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['udp', 'tcp', 'probe']), address: z.string() }),
  z.object({ kind: z.literal('failed'), address: z.string(), reason: z.string() }),
]);

/** From sources the child runs the `.ts` beside this file; from a bundle, the `bind.mjs` beside the bundle. */
const program = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './bind.ts' : './bind.mjs', import.meta.url),
);

/**
 * Binds `port` in other network namespaces. Node cannot change its own, but a child may be started in
 * another one, and sockets can be sent between processes. They keep the namespace alive: close them
 * before it is to go.
 */
export function namespaceBinder(clock: Clock, port: number): Bind {
  return async (namespace, addresses) => {
    const args = [`--net=${namespace}`, process.execPath, program, String(port), ...addresses];
    let child: ChildProcess;
    try {
      child = spawn('nsenter', args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    } catch (error) {
      // Without memory, for one: most errors come as events, these do not.
      return { kind: 'failed', reason: errorMessage(error) };
    }
    const collected = new Collected(addresses);
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = `${complaint}${text}`.slice(-500);
    });
    return new Promise((resolve) => {
      const timer = clock.after(bindMsMax, () => child.kill('SIGKILL'));
      const end = (reason: string): void => {
        timer.cancel();
        resolve(collected.result(reason));
      };
      child.on('message', (raw, handle) => collected.take(raw, handle));
      child.on('error', (error) => end(errorMessage(error)));
      child.on('close', (code) => end(complaint.trim() || `its process ended with ${code}`));
    });
  };
}

/** Sockets as they come in from one child. */
class Collected {
  readonly #addresses: readonly string[];
  readonly #udp = new Map<string, UdpSocket>();
  readonly #tcp = new Map<string, Server>();
  readonly #probe = new Map<string, UdpSocket>();
  #reason = '';

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
  }

  take(raw: unknown, handle: SendHandle | undefined): void {
    const { data } = message.safeParse(raw);
    if (data === undefined) return;
    const { kind, address } = data;
    if (kind === 'failed') this.#reason = data.reason;
    else if (kind === 'tcp' && handle instanceof Server) this.#tcp.set(address, handle);
    else if (kind === 'udp' && handle instanceof UdpSocket) this.#udp.set(address, handle);
    else if (kind === 'probe' && handle instanceof UdpSocket) this.#probe.set(address, handle);
  }

  /** All or none. */
  result(reason: string): Bound {
    const sockets = this.#addresses.flatMap((address): AddressSockets[] => {
      const udp = this.#udp.get(address);
      const tcp = this.#tcp.get(address);
      const probe = this.#probe.get(address);
      const whole = udp !== undefined && tcp !== undefined && probe !== undefined;
      return whole ? [{ address, udp, tcp, probe }] : [];
    });
    if (sockets.length === this.#addresses.length) return { kind: 'bound', sockets };
    for (const each of [...this.#udp.values(), ...this.#tcp.values(), ...this.#probe.values()]) {
      each.close();
    }
    return { kind: 'failed', reason: this.#reason || reason };
  }
}

/** Tells one namespace from another of the same name; undefined when there is none. */
export async function namespaceIdentity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
