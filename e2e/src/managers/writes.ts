import { setTimeout as pause } from 'node:timers/promises';
import type { HttpResult } from '../host/http.ts';
import type { Machine } from '../hosts/machine.ts';

const writeMsMax = 20_000;
/** More than any suite writes; a load that is never stopped ends there. */
const writesMax = 20_000;
/** From a write that failed to the next try. */
const retryPauseMs = 20;

/** Writes a service without replicas: one transaction, no work for anybody. */
export function writeService(
  machine: Machine,
  name: string,
  timeoutMs = writeMsMax,
): Promise<HttpResult> {
  const spec = {
    Name: name,
    Mode: { Replicated: { Replicas: 0 } },
    TaskTemplate: { ContainerSpec: { Image: 'whoami' } },
  };
  const body = JSON.stringify(spec);
  return machine.http({ method: 'POST', path: '/services/create', body, timeoutMs });
}

/** Names of all services, as `machine` answers; `stale` when it could not ask the others. */
export async function readServices(
  machine: Machine,
): Promise<{ readonly names: ReadonlySet<string>; readonly stale: boolean }> {
  const { status, headers, body } = await machine.http({ method: 'GET', path: '/services' });
  if (status !== 200) throw new Error(`${machine.name} answers ${status}: ${body}`);
  const services = JSON.parse(body) as readonly { readonly Spec: { readonly Name: string } }[];
  const names = new Set(services.map(({ Spec }) => Spec.Name));
  return { names, stale: headers['x-shoal-stale'] === 'true' };
}

/** Tries on until `machine` acknowledges a write; gives the time that took. */
export async function timeToWrite(
  machine: Machine,
  name: string,
  deadlineMs: number,
): Promise<number> {
  const begin = performance.now();
  let last = '';
  while (performance.now() - begin < deadlineMs) {
    try {
      const { status, body } = await writeService(machine, name, deadlineMs);
      // The write whose answer was lost may have been made.
      if (status === 201 || status === 409) return performance.now() - begin;
      last = `${status} ${body}`;
    } catch (error) {
      last = String(error);
    }
    await pause(retryPauseMs);
  }
  throw new Error(`${machine.name} took no write within ${deadlineMs} ms; last: ${last}`);
}

/** A write that was refused with an answer. */
export interface RefusedWrite {
  readonly machine: string;
  readonly status: number;
  readonly message: string;
}

/**
 * Clients that write all the time, each with one manager until that fails and then with the next. A
 * write that failed is tried again under the same name, as clients do.
 */
export class WriteLoad {
  readonly #machines: readonly Machine[];
  readonly #clients: readonly Promise<void>[];
  readonly acknowledged = new Set<string>();
  /** Answers that say no. */
  readonly refused: RefusedWrite[] = [];
  /** Connections that were refused or lost. */
  disconnected = 0;
  /** Longest time without an acknowledged write, milliseconds. */
  longestGapMs = 0;
  #lastAt = performance.now();
  #stopping = false;

  constructor(machines: readonly Machine[], clients: number) {
    this.#machines = machines;
    this.#clients = Array.from({ length: clients }, (_, number) => this.#write(number));
  }

  /** Lets every client end its write. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async #write(client: number): Promise<void> {
    let at = client;
    for (let number = 0; number < writesMax && !this.#stopping; ) {
      const machine = this.#machines[at % this.#machines.length];
      if (machine === undefined) return;
      const name = `load-${client}-${number}`;
      if (await this.#attempt(machine, name)) number += 1;
      else {
        at += 1;
        await pause(retryPauseMs);
      }
    }
  }

  async #attempt(machine: Machine, name: string): Promise<boolean> {
    try {
      const { status, body } = await writeService(machine, name);
      if (status === 201 || status === 409) {
        this.#acknowledge(name);
        return true;
      }
      this.refused.push({ machine: machine.name, status, message: body });
    } catch {
      this.disconnected += 1;
    }
    return false;
  }

  #acknowledge(name: string): void {
    const now = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, now - this.#lastAt);
    this.#lastAt = now;
    this.acknowledged.add(name);
  }
}
