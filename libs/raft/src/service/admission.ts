import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerUnaryCall,
  status,
} from '@grpc/grpc-js';
import { requireRole } from '@shoal/pki';

/** Whether a caller may use the log, and which node it is. */
export type Admission =
  | { readonly kind: 'admitted'; readonly nodeId: string }
  | { readonly kind: 'refused'; readonly error: Error };

/** Any kind of call; what admission looks at is the connection's certificate. */
export type AnyCall = Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext'>;

/** Admits managers of the cluster that were not removed from it, by their certificate. */
export function admitManagers(
  clusterId: string,
  removed: (nodeId: string) => boolean,
): (call: AnyCall) => Admission {
  return (call) => {
    const authorised = requireRole(call, clusterId, 'manager');
    if (authorised.kind === 'refused') return authorised;
    const { nodeId } = authorised.peer;
    if (!removed(nodeId)) return { kind: 'admitted', nodeId };
    return refused(`${nodeId} was removed from the swarm`);
  };
}

/**
 * Admits whom `admit` does, unless demoted since: a certificate outlives the role. For all but what voters say
 * to each other: one that is behind may know its leader as a worker.
 */
export function admitPresent(
  admit: (call: AnyCall) => Admission,
  demoted: (nodeId: string) => boolean,
): (call: AnyCall) => Admission {
  return (call) => {
    const admission = admit(call);
    if (admission.kind === 'refused' || !demoted(admission.nodeId)) return admission;
    return refused(`${admission.nodeId} is a manager no more`);
  };
}

function refused(details: string): Admission {
  const error = Object.assign(new Error(details), { code: status.PERMISSION_DENIED, details });
  return { kind: 'refused', error };
}

/**
 * Sends callers away before anything they send is read. `open` says which methods need no certificate.
 */
export function admissionInterceptor(
  admit: (call: AnyCall) => Admission,
  open: (path: string) => boolean,
): ServerInterceptor {
  return (method, call) => {
    if (open(method.path)) return call as ServerInterceptingCall;
    const admission = admit(call as AnyCall & ServerInterceptingCallInterface);
    // Unwrapped: what wraps a call handles every message of it.
    if (admission.kind === 'admitted') return call as ServerInterceptingCall;
    const code =
      'code' in admission.error ? Number(admission.error.code) : status.PERMISSION_DENIED;
    const details = admission.error.message;
    return new ServerInterceptingCall(call, {
      start: (next) => next({ onReceiveMetadata: () => call.sendStatus({ code, details }) }),
    });
  };
}
