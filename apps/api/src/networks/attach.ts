import { credentials, Metadata, status } from '@grpc/grpc-js';
import { type AttachResponse, HostNetworksClient } from '@shoal/proto';
import { type Clock, errorMessage } from '@shoal/runtime';

/** Longest wait for the agent to build a network, milliseconds. */
const attachMsMax = 30_000;

export type Attached =
  /** The engine's network that a container joins in the place of the swarm's. */
  | {
      readonly kind: 'attached';
      readonly engineNetwork: string;
      /** Whom the container asks for names: the network's resolver, then the host's servers. */
      readonly nameservers?: readonly string[] | undefined;
    }
  /** `problem` is a sentence for people. */
  | { readonly kind: 'refused'; readonly problem: string };

/** Has a network of the swarm, by name or id, built on this host so that a container can join it. */
export type AttachNetwork = (network: string) => Promise<Attached>;

/** Asks the agent of this host, at its socket. */
export function agentAttach(socket: string, clock: Clock): AttachNetwork {
  return async (network) => {
    const client = new HostNetworksClient(`unix://${socket}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
    });
    try {
      const { engineNetwork, problem, nameservers } = await new Promise<AttachResponse>(
        (resolve, reject) => {
          const deadline = new Date(clock.now() + attachMsMax);
          client.attach({ network }, new Metadata(), { deadline }, (error, response) => {
            if (error === null) resolve(response);
            else reject(error);
          });
        },
      );
      return problem === ''
        ? { kind: 'attached', engineNetwork, nameservers }
        : { kind: 'refused', problem };
    } catch (error) {
      return { kind: 'refused', problem: agentTrouble(error) };
    } finally {
      client.close();
    }
  };
}

function agentTrouble(error: unknown): string {
  const code = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (code === status.UNAVAILABLE) return 'the agent of this host does not run';
  if (code === status.DEADLINE_EXCEEDED) return 'the agent of this host did not build it in time';
  return errorMessage(error);
}
