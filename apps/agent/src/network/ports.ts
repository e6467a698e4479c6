import type { GossipKey } from '@shoal/gossip';
import type { HostNetwork, NodeNetwork } from '@shoal/overlay';
import type { EndpointRecord, TaskAssignment } from '@shoal/state';

/** This host as other hosts see it. */
export interface OwnHost {
  readonly nodeId: string;
  /** Address of its tunnel end, canonical; the same that its records carry. */
  readonly vtep: string;
}

export type Ensured =
  /** `engineNetwork` is what the container engine calls it. */
  | { readonly kind: 'ok'; readonly engineNetwork: string }
  /** Not now: the task waits, and it is asked again. */
  | { readonly kind: 'failed'; readonly message: string }
  /** Never on this host, such as an encrypted network without what encrypts: the task is rejected. */
  | { readonly kind: 'impossible'; readonly message: string };

export type Attached =
  | {
      readonly kind: 'ok';
      /** Id of its endpoint. */
      readonly attachmentId: string;
      /** With prefix length. */
      readonly addresses: readonly string[];
    }
  | { readonly kind: 'failed'; readonly message: string };

/** An address that was given to a container run by hand. */
export interface HeldAttachment {
  readonly networkId: string;
  /** Id of its endpoint. */
  readonly endpointId: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
}

/** Addresses for containers that people run by hand in attachable networks. Given to the overlay driver. */
export interface Attachments {
  /** Bounded in time. `wanted`: the address that was asked for. */
  attach(networkId: string, wanted?: string): Promise<Attached>;
  /** The container is in the network, perhaps since before a restart. */
  held(attachment: HeldAttachment): void;
  /** The container's names are known, or have changed: only then they resolve. */
  named(attachmentId: string, name: string, aliases: readonly string[]): void;
  /** The endpoint is gone: its address is free again. */
  detach(attachmentId: string): void;
}

/** The kernel's and the engine's side of this host's overlay networks. */
export interface OverlayPort {
  /**
   * All networks that the host must have; others are taken away once no container is in them. Called again
   * with the same is nothing. A network that has no balancer address yet is built when it has one.
   */
  configure(networks: readonly NodeNetwork[], own: OwnHost): void;
  /** Resolves when a container can join. Bounded in time: what is not built by then has failed. */
  ensure(networkId: string): Promise<Ensured>;
  /** The task has a container with the addresses of the assignment; nothing where that is known. */
  claim(assignment: TaskAssignment): void;
  /** Takes the container run by hand that has the attachment out of its network; it runs on. */
  evict(attachmentId: string): void;
  /** Everybody of other hosts in the network, serving or not: the whole list, programmed as differences. */
  setPeers(networkId: string, records: readonly EndpointRecord[]): void;
  /** The peers that the kernel has now; undefined while the network is not built. */
  programmedPeers(networkId: string): readonly EndpointRecord[] | undefined;
  /** The networks that are built. */
  hostNetworks(): readonly HostNetwork[];
  /**
   * `listener` is called when a network was built, changed or went, when a container joined or left one,
   * and when its peers were programmed. Returns how to stop it.
   */
  onChange(listener: (networkId: string) => void): () => void;
  /** Leaves everything as it is: containers talk on. */
  close(): Promise<void>;
  /** The node has left the swarm: takes every network away. Called instead of `close`. */
  remove(): Promise<void>;
}

/** An endpoint that is there, or one that went. */
export type Push =
  | { readonly kind: 'record'; readonly record: EndpointRecord }
  | { readonly kind: 'withdrawal'; readonly networkId: string; readonly endpointId: string };

export interface PushOutcome {
  /** Node ids whose resolver and balancer go by what was pushed. */
  readonly acknowledged: readonly string[];
  /** Node ids in the network that did not say so in time. */
  readonly missing: readonly string[];
}

/** How records travel between hosts. */
export interface GossipPort {
  /** Newest first; each of them opens. Nothing is sent or taken before the first call. */
  keys(ring: readonly GossipKey[]): void;
  /** Hosts to find the others by, without port; the own one may be among them. */
  members(seeds: readonly { readonly nodeId: string; readonly addr: string }[]): void;
  join(networkId: string): void;
  leave(networkId: string): void;
  /** An own record, new or changed; the same again is nothing. */
  publish(record: EndpointRecord): void;
  withdraw(networkId: string, endpointId: string): void;
  /**
   * What a dispatcher says of the network, after newer word was laid over it: afterwards `records` of other
   * hosts are these. Own ones are left as published; those named here will be.
   */
  merge(networkId: string, records: readonly EndpointRecord[]): void;
  /** Publishes or withdraws, and tells all hosts of the network directly. Bounded in time; never rejects. */
  push(push: Push): Promise<PushOutcome>;
  /** All that are known, those of this host included. */
  records(networkId: string): readonly EndpointRecord[];
  /**
   * `listener` is told what other hosts' records came or changed, and which endpoints are gone, also because
   * their host is. Not called for own records or from within `merge`. Returns how to stop it.
   */
  onChange(
    listener: (
      networkId: string,
      changed: readonly EndpointRecord[],
      gone: readonly string[],
    ) => void,
  ): () => void;
  /** `applied` is awaited after the listeners have a pushed change and before it is acknowledged. */
  onPush(applied: (networkId: string) => Promise<void>): void;
  /** All hosts that are known and have not said goodbye, and how they are thought to be. */
  reachability(): readonly HostReachability[];
  /** `listener` is called when another host is thought to be otherwise than before. Returns how to stop it. */
  onStanding(listener: () => void): () => void;
  /** All own endpoints of before a restart are published: what others still have of this host goes. */
  settle(): void;
  close(): Promise<void>;
}

export interface HostReachability {
  readonly nodeId: string;
  /** `address:port`. */
  readonly addr: string;
  readonly standing: 'alive' | 'suspect' | 'dead';
}

export interface NetworkPorts {
  readonly overlay: OverlayPort;
  readonly gossip: GossipPort;
}
