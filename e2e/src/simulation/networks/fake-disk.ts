import type { HostNetworkingOptions, Remembered, WorkerOptions } from '@shoal/agent';
import type { Timer } from '@shoal/runtime';
import type { SimulatedProcess } from '@shoal/sim';
import type { TaskStatus } from '@shoal/state';

/** As long as the product waits until it writes what nobody waits for, milliseconds. */
const delayMs = { networks: 1_000, statuses: 100 } as const;

/** What of a host's agent outlives it: files as they were last written. */
export class FakeDisk {
  #networks: string | undefined;
  #keys: Awaited<ReturnType<HostNetworkingOptions['keys']['load']>> = [];
  #statuses = new Map<string, TaskStatus>();

  /** The agent's networks on the disk, for one of its lives. */
  memory({ clock, alive }: Life): HostNetworkingOptions['memory'] {
    let read: (() => Remembered) | undefined;
    let due: Timer | undefined;
    const write = async (): Promise<void> => {
      due?.cancel();
      due = undefined;
      if (read !== undefined && alive()) this.#networks = JSON.stringify(read());
      read = undefined;
    };
    return {
      load: async () =>
        this.#networks === undefined ? undefined : (JSON.parse(this.#networks) as Remembered),
      changed: (newest) => {
        read = newest;
        due ??= clock.after(delayMs.networks, () => void write());
      },
      flush: write,
      forget: async () => {
        this.#networks = undefined;
      },
    };
  }

  keys({ alive }: Life): HostNetworkingOptions['keys'] {
    return {
      load: async () => this.#keys,
      keep: (keys) => {
        if (alive()) this.#keys = keys;
      },
      flush: async () => undefined,
      forget: async () => {
        this.#keys = [];
      },
    };
  }

  statuses({ clock, alive }: Life): WorkerOptions['store'] {
    const statuses = new Map(this.#statuses);
    let due: Timer | undefined;
    const write = (): void => {
      due?.cancel();
      due = undefined;
      if (alive()) this.#statuses = new Map(statuses);
    };
    const changed = (): void => {
      due ??= clock.after(delayMs.statuses, write);
    };
    return {
      belongTo: () => undefined,
      get: (taskId) => statuses.get(taskId),
      put: (taskId, status) => {
        statuses.set(taskId, status);
        changed();
      },
      delete: (taskId) => {
        if (statuses.delete(taskId)) changed();
      },
      get taskIds() {
        return [...statuses.keys()];
      },
      durable: async () => write(),
    };
  }
}

/** One life of an agent. */
export interface Life {
  readonly clock: SimulatedProcess['clock'];
  readonly alive: () => boolean;
}
