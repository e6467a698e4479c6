/** A published port as balancers need it. */
export interface RecordPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly targetPort: number;
  /** 0 where the port is not published by the routing mesh. */
  readonly publishedPort: number;
}

/** The service that an endpoint belongs to, as the containers of a network see it. */
export interface RecordService {
  readonly id: string;
  readonly name: string;
  /** Further names of the service in this network. */
  readonly aliases: readonly string[];
  /** `vip`: the name stands for the virtual addresses; `dnsrr`: for the tasks' own. */
  readonly mode: 'vip' | 'dnsrr';
  /** Canonical addresses without prefix length; at most one of each family. */
  readonly virtualIps: readonly string[];
  /** Ports of the routing mesh; only in the ingress network. */
  readonly ports: readonly RecordPort[];
  /**
   * What tasks see of clients of the routing mesh: their address (default), or the balancer's where
   * the service asks for it or the task's host cannot lead replies back, or the balancer's and before all
   * else a header of the PROXY protocol. Not part of digests.
   */
  readonly sourceAddress?: 'keep' | 'masquerade' | 'proxy-protocol' | undefined;
  /** How a task is chosen: in turn (default), the one with the fewest connections, by client address. */
  readonly balance?: 'rr' | 'lc' | 'sh' | undefined;
  /** Subnets, canonical and apart, from which alone clients may come to the published ports; absent: from anywhere. */
  readonly allowed?: readonly string[] | undefined;
}

/**
 * One address holder of one network: who it is, on which host, and whether it is to be found. The same
 * record travels by gossip, comes from a dispatcher as the log implies it, and is what a host serves.
 */
export interface EndpointRecord {
  readonly networkId: string;
  /** Task id; `lb.<node id>` of a host's balancer; id of the attachment of a container run by hand. */
  readonly endpointId: string;
  readonly kind: 'task' | 'container' | 'balancer';
  readonly nodeId: string;
  /** Address of the host's tunnel end (VTEP), canonical. */
  readonly vtep: string;
  /** Canonical addresses without prefix length, at most one of each family. */
  readonly addresses: readonly string[];
  /** Container name, `<service>.<slot>.<task id>`; empty for balancers. */
  readonly name: string;
  /** Other names of just this container: host name, short container id. Not part of digests. */
  readonly containerAliases: readonly string[];
  /** Slot of a replicated service's task, otherwise 0. */
  readonly slot: number;
  /** Absent for balancers and containers run by hand. */
  readonly service?: RecordService | undefined;
  /** In names and balancers. False: only reachable (starting, draining). */
  readonly serving: boolean;
}
