import { type PortConfig, portKey, type StateView } from '@shoal/state';
import type { HostPorts } from './host-ports.ts';
import { type Blocked, blocked, type Obstacle, portWaitKey } from './obstacle.ts';

/** Ports that services get which name none; as in Swarm. */
export const dynamicPortFirst = 30_000;
export const dynamicPortLast = 32_767;

export type PortsAnswer =
  | {
      readonly kind: 'given';
      readonly ports: readonly PortConfig[];
      /** Where the search ended. */
      readonly cursors: PortCursors;
    }
  | Blocked;

/** Protocol → the port that was given last. Ports are given in turn, so that one just freed comes last. */
export type PortCursors = Map<PortConfig['Protocol'], number>;

/** Published ports of the routing mesh: those in the state, and those that this step gives. */
export class Ports {
  readonly #view: StateView;
  readonly #cursors: PortCursors;
  readonly #onHosts: HostPorts;
  readonly #given = new Map<string, string>();

  constructor(view: StateView, cursors: PortCursors, onHosts: HostPorts) {
    this.#view = view;
    this.#cursors = cursors;
    this.#onHosts = onHosts;
  }

  /**
   * The ports of a service: as its spec says; where it leaves the published port of the routing mesh open,
   * the one that it had for the same protocol, target and name, or a free one. Ports published on the
   * nodes themselves are copied: there the engine chooses and the scheduler keeps them apart.
   */
  allocate(
    serviceId: string,
    asked: readonly PortConfig[],
    had: readonly PortConfig[],
  ): PortsAnswer {
    const own = new Set<string>();
    const obstacles: Obstacle[] = [];
    for (const { PublishMode, Protocol, PublishedPort = 0 } of asked) {
      if (PublishMode !== 'ingress' || PublishedPort === 0) continue;
      const key = portKey(Protocol, PublishedPort);
      const holder = this.#holder(key, serviceId);
      if (holder !== undefined) obstacles.push(this.#clash(key, holder));
      own.add(key);
    }
    const ports: PortConfig[] = [];
    const cursors: PortCursors = new Map(this.#cursors);
    for (const port of asked) {
      const { Protocol, PublishMode } = port;
      if (PublishMode !== 'ingress' || (port.PublishedPort ?? 0) !== 0) {
        ports.push(port);
        continue;
      }
      const PublishedPort =
        this.#kept(serviceId, port, had, own) ?? this.#next(Protocol, own, cursors);
      if (PublishedPort === undefined) obstacles.push(exhausted(Protocol));
      else {
        own.add(portKey(Protocol, PublishedPort));
        ports.push({ ...port, PublishedPort });
      }
    }
    return obstacles.length > 0 ? blocked(...obstacles) : { kind: 'given', ports, cursors };
  }

  /** Takes what {@link allocate} gave. */
  take(serviceId: string, { ports, cursors }: PortsAnswer & { readonly kind: 'given' }): void {
    for (const [protocol, port] of cursors) this.#cursors.set(protocol, port);
    for (const { PublishMode, Protocol, PublishedPort = 0 } of ports)
      if (PublishMode === 'ingress') this.#given.set(portKey(Protocol, PublishedPort), serviceId);
  }

  /** Who else has the port. */
  #holder(key: string, serviceId: string): string | undefined {
    const holder = this.#view.ingressPorts.get(key) ?? this.#given.get(key);
    return holder === serviceId ? undefined : holder;
  }

  #clash(key: string, holder: string): Obstacle {
    const name = this.#view.services.get(holder)?.name ?? holder;
    return {
      kind: 'waits',
      waitsFor: portWaitKey(key),
      message: `port ${key} is published by service ${name} already: publish another port or remove it there`,
    };
  }

  #kept(
    serviceId: string,
    asked: PortConfig,
    had: readonly PortConfig[],
    own: ReadonlySet<string>,
  ): number | undefined {
    return had.find((port) => {
      const { PublishedPort = 0, PublishMode, Protocol } = port;
      const key = portKey(Protocol, PublishedPort);
      return (
        PublishMode === 'ingress' &&
        isDynamic(PublishedPort) &&
        Protocol === asked.Protocol &&
        port.TargetPort === asked.TargetPort &&
        port.Name === asked.Name &&
        !own.has(key) &&
        this.#holder(key, serviceId) === undefined
      );
    })?.PublishedPort;
  }

  #next(
    protocol: PortConfig['Protocol'],
    own: ReadonlySet<string>,
    cursors: PortCursors,
  ): number | undefined {
    const size = dynamicPortLast - dynamicPortFirst + 1;
    let port = cursors.get(protocol) ?? this.#highest(protocol);
    for (let step = 0; step < size; step += 1) {
      port = port >= dynamicPortLast ? dynamicPortFirst : port + 1;
      const key = portKey(protocol, port);
      if (own.has(key) || this.#view.ingressPorts.has(key) || this.#given.has(key)) continue;
      // The nodes on which it is published could not take it for the mesh as well.
      if (this.#onHosts.has(key)) continue;
      cursors.set(protocol, port);
      return port;
    }
    return undefined;
  }

  #highest(protocol: PortConfig['Protocol']): number {
    for (let port = dynamicPortLast; port >= dynamicPortFirst; port -= 1)
      if (this.#view.ingressPorts.has(portKey(protocol, port))) return port;
    return dynamicPortFirst - 1;
  }
}

function isDynamic(port: number): boolean {
  return port >= dynamicPortFirst && port <= dynamicPortLast;
}

function exhausted(protocol: PortConfig['Protocol']): Obstacle {
  return {
    kind: 'waits',
    waitsFor: portWaitKey(protocol),
    message: `all ${protocol} ports from ${dynamicPortFirst} to ${dynamicPortLast} are published: name a port outside of this range`,
  };
}
