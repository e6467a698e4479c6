import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { requireRole } from '@shoal/pki';
import type {
  AttachContainerRequest,
  AttachContainerResponse,
  CheckNetworksRequest,
  CheckNetworksResponse,
  DetachContainerRequest,
  DetachContainerResponse,
  DispatcherServer,
  VerifyNetworksRequest,
  VerifyNetworksResponse,
} from '@shoal/proto';
import { type ErrorKind, errorMessage, statusOf } from '@shoal/runtime';
import type { ServeOptions } from './server.ts';

/** Calls of nodes and managers about networks, beside the sessions. */
export function networkHandlers(
  options: ServeOptions,
): Pick<
  DispatcherServer,
  'attachContainer' | 'detachContainer' | 'verifyNetworks' | 'checkNetworks'
> {
  const { networks } = options.dispatcher;
  return {
    attachContainer: ofNode<AttachContainerRequest, AttachContainerResponse>(
      options,
      (nodeId, request) => networks.attach(nodeId, request),
    ),
    detachContainer: ofNode<DetachContainerRequest, DetachContainerResponse>(
      options,
      async (nodeId, { attachmentId }) => {
        networks.attachments.detach(nodeId, attachmentId);
        return {};
      },
    ),
    verifyNetworks: ofManager<VerifyNetworksRequest, VerifyNetworksResponse>(
      options,
      async ({ networkId }) => ({ nodes: networks.verify(networkId) }),
    ),
    checkNetworks: ofManager<CheckNetworksRequest, CheckNetworksResponse>(
      options,
      async ({ timeoutMs }) => {
        const nodes = await networks.check(timeoutMs);
        if (nodes === undefined) throw refused('unavailable', 'too many checks are under way');
        return { nodes };
      },
    ),
  };
}

type Answer<Q, A> = (nodeId: string, request: Q) => Promise<A>;

/** A call of a node of the swarm, about itself. */
export function ofNode<Q, A>(options: ServeOptions, answer: Answer<Q, A>): handleUnaryCall<Q, A> {
  const { clusterId, dispatcher } = options;
  return answered<Q, A>(
    (call) => requireRole(call, clusterId, 'worker', 'manager'),
    async (nodeId, request) => {
      if (!dispatcher.knows(nodeId)) throw refused('not-found', `node ${nodeId} not found`);
      return answer(nodeId, request);
    },
  );
}

/** A call of a manager. */
function ofManager<Q, A>(
  { clusterId, dispatcher }: ServeOptions,
  answer: (request: Q) => Promise<A>,
): handleUnaryCall<Q, A> {
  return answered<Q, A>(
    (call) => requireRole(call, clusterId, 'manager'),
    async (nodeId, request) => {
      if (!dispatcher.knowsManager(nodeId))
        throw refused('not-found', `manager ${nodeId} not found`);
      return answer(request);
    },
  );
}

function answered<Q, A>(
  allow: (call: ServerUnaryCall<Q, A>) => ReturnType<typeof requireRole>,
  answer: Answer<Q, A>,
): handleUnaryCall<Q, A> {
  return (call, callback) => {
    const allowed = allow(call);
    if (allowed.kind === 'refused') {
      callback(allowed.error);
      return;
    }
    answer(allowed.peer.nodeId, call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(error instanceof Error ? error : new Error(errorMessage(error))),
    );
  };
}

function refused(kind: ErrorKind, details: string): Error {
  return Object.assign(new Error(details), { code: statusOf[kind].grpc, details });
}
