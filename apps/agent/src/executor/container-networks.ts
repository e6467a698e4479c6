import type { TaskAssignment } from '@shoal/state';
import type { EngineResult } from './engine.ts';

/** A network of the engine that a container is to join. */
export interface ContainerNetwork {
  /** What the engine calls it. */
  readonly name: string;
  /** At most one of each family, without prefix length. */
  readonly addresses: readonly string[];
  readonly driverOptions: Readonly<Record<string, string>>;
}

/** What the engine takes from the host's `resolv.conf` where the user of a container says nothing. */
export interface HostDefaults {
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** How a container is in its overlay networks. */
export interface ContainerNetworkPlan {
  /** In the order of the task's networks. */
  readonly networks: readonly ContainerNetwork[];
  /** What the container asks for names, in this order. */
  readonly nameservers: readonly string[];
  readonly hostDefaults: HostDefaults;
}

/** What the executor must know of overlay networks. */
export interface ContainerNetworks {
  /** Fails while a network of the task is not built. */
  plan(assignment: TaskAssignment): EngineResult<ContainerNetworkPlan>;
}

export const noNetworks: ContainerNetworkPlan = {
  networks: [],
  nameservers: [],
  hostDefaults: { search: [], options: [] },
};

export const noContainerNetworks: ContainerNetworks = {
  plan: ({ networks = [] }) =>
    networks.length === 0
      ? { kind: 'ok', value: noNetworks }
      : {
          kind: 'failed',
          failure: { kind: 'refused', message: 'this host has no overlay networks' },
        },
};
