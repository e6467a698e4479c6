import type { Network } from '@shoal/state';

/** Why something cannot be allocated now. */
export type Obstacle =
  | {
      readonly kind: 'waits';
      /** What must change before it is worth another look; see {@link Waits}. */
      readonly waitsFor: string;
      /** One sentence for people. */
      readonly message: string;
    }
  /** The answer is on its way: nothing to tell anybody. */
  | { readonly kind: 'soon'; readonly waitsFor: string };

/** What is to be waited for with everything that concerns a network. */
export function networkKey(networkId: string): string {
  return `network ${networkId}`;
}

/** What networks without subnets wait for. */
export const subnetsKey = 'subnets';
/** What services wait for that publish ports while there is no ingress network. */
export const ingressKey = 'ingress';

/** What is waited for with a port of the routing mesh, or with any open one of a protocol. */
export function portWaitKey(port: string): string {
  return `port ${port}`;
}

/** Why nothing can have an address in the network yet; undefined when it has subnets. */
export function networkObstacle(id: string, network: Network | undefined): Obstacle | undefined {
  const waitsFor = networkKey(id);
  if (network === undefined) return { kind: 'waits', waitsFor, message: `network ${id} not found` };
  if (network.allocation !== undefined) return undefined;
  const { problem } = network;
  return problem === undefined
    ? { kind: 'soon', waitsFor }
    : { kind: 'waits', waitsFor, message: problem };
}

/** One for each family that has no address left. */
export function noAddress({ id, spec }: Network, full: readonly string[]): readonly Obstacle[] {
  return full.map((subnets) => ({
    kind: 'waits',
    waitsFor: networkKey(id),
    message: `network ${spec.Name} has no free address left in ${subnets}: remove tasks or services that use it, or move to a network with a larger --subnet`,
  }));
}

/** Everything that is in the way. All of it is waited for. */
export interface Blocked {
  readonly kind: 'blocked';
  readonly obstacles: readonly Obstacle[];
}

export function blocked(...obstacles: readonly Obstacle[]): Blocked {
  return { kind: 'blocked', obstacles };
}

/**
 * The sentence to tell, where `told` was told last: that one as long as it is true, so that what people
 * read does not change with every other thing in the way. Undefined when there is nothing to tell yet.
 */
export function sentence({ obstacles }: Blocked, told: string | undefined): string | undefined {
  const sentences = obstacles.flatMap((one) => (one.kind === 'soon' ? [] : [one.message]));
  if (sentences.length < obstacles.length) return undefined;
  return sentences.find((one) => one === told) ?? sentences[0];
}
