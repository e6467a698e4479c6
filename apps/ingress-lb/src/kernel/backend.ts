import type { Balancing } from '../desired/balancing.ts';

export type Applied =
  | { readonly kind: 'applied' }
  /** One sentence. The namespace may have any part of it. */
  | { readonly kind: 'failed'; readonly message: string };

export const applied: Applied = { kind: 'applied' };

/** A way to make the kernel balance. Both ways pass the same suite. */
export interface BalancerBackend {
  readonly kind: 'nftables' | 'ipvs';
  /**
   * Brings a namespace from one state to another. `have` undefined: from whatever it is in. Connections
   * that are open stay where they are.
   */
  apply(namespace: string, have: Balancing | undefined, want: Balancing): Promise<Applied>;
  /**
   * What is really in the kernel; undefined when there is nothing or nothing that can be read as ours.
   * @param want tells what to expect where the kernel does not say it.
   */
  read(namespace: string, want: Balancing): Promise<Balancing | undefined>;
  /** `want` as `read` would give it once it is applied. */
  asRead(want: Balancing): Balancing;
  /** What of it this way cannot do, one sentence each. */
  unsupported(want: Balancing): readonly string[];
  /** Takes away everything of ours. */
  clear(namespace: string): Promise<Applied>;
}
