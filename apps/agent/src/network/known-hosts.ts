import type { SwarmView } from '@shoal/proto';
import { parseHostPort } from '@shoal/runtime';
import type { RememberedHost } from './memory.ts';
import type { GossipPort } from './ports.ts';

/** Hosts that are remembered, to find the others by while no dispatcher tells of them. */
const rememberedHostsMax = 16;

/** The hosts by which gossip finds the others. */
export class KnownHosts {
  readonly #gossip: Pick<GossipPort, 'members' | 'reachability'>;
  #seeds: readonly RememberedHost[] = [];

  constructor(gossip: Pick<GossipPort, 'members' | 'reachability'>) {
    this.#gossip = gossip;
  }

  /** Takes the managers that a dispatcher names as the hosts to find others by. */
  managers(managers: SwarmView['managers']): void {
    const named = managers.flatMap(({ nodeId, dispatcherAddr, logAddr }) => {
      const host = parseHostPort(dispatcherAddr === '' ? logAddr : dispatcherAddr)?.host;
      return host === undefined ? [] : [{ nodeId, addr: host }];
    });
    this.restore(named);
  }

  /** Takes the hosts remembered from before a restart as the ones to find others by. */
  restore(hosts: readonly RememberedHost[]): void {
    this.#seeds = hosts;
    this.#gossip.members(hosts);
  }

  /** Hosts worth remembering over a restart: first those that are up, then those last taken. */
  remembered(): readonly RememberedHost[] {
    const there = this.#gossip.reachability().flatMap(({ nodeId, addr, standing }) => {
      const host = parseHostPort(addr)?.host;
      return host === undefined || standing !== 'alive' ? [] : [{ nodeId, addr: host }];
    });
    const known = new Set(there.map(({ nodeId }) => nodeId));
    const named = this.#seeds.filter(({ nodeId }) => !known.has(nodeId));
    return [...there, ...named].slice(0, rememberedHostsMax);
  }
}
