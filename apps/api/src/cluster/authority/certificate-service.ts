import { status } from '@grpc/grpc-js';
import { IssueRequest, IssueResponse, TrustRootResponse } from '@shoal/proto';
import type { AuthorityAnswer, AuthorityCall } from '@shoal/raft/service';
import { errorMessage, version, within } from '@shoal/runtime';
import type { MembershipOptions } from '../options.ts';
import { GuessLimit } from './guess-limit.ts';
import { type Issuance, type IssueOptions, type IssuingManager, issue } from './issue.ts';
import { type Refusal, refused } from './refusal.ts';

/** Longest wait for the state of a manager that has just started, milliseconds. */
const loadMsMax = 10_000;

/** Answers who asks this manager's cluster port for the trust root or a certificate. */
export function answerCertificates(
  options: IssueOptions & Pick<MembershipOptions, 'logger' | 'metrics'>,
): (manager: IssuingManager, call: AuthorityCall) => Promise<AuthorityAnswer> {
  const { clock, logger, metrics } = options;
  const guesses = new GuessLimit(() => clock.monotonic());
  return async (manager, { method, request, remoteAddr }) => {
    if (!manager.replica.ready) await within(clock, loadMsMax, manager.replica.catchUp());
    const { cluster } = manager.replica.view;
    if (!manager.replica.ready || cluster === undefined)
      return answerOf(refused(status.UNAVAILABLE, 'the state of the swarm is being loaded'));
    if (method === 'trustRoot') {
      const response = TrustRootResponse.encode({
        // What join tokens pin; all that managers show while a root rotates can be verified by it.
        certificates: cluster.rootCa.certificate,
        timeMs: clock.now(),
        version,
        clusterId: cluster.id,
        dataPathPort: cluster.dataPathPort,
      });
      return { kind: 'response', response: response.finish() };
    }
    const address = hostOf(remoteAddr);
    const asked = decoded(request);
    const isGuess = asked?.proof?.$case === 'joinToken';
    // A host renews from the address that its containers speak from: their guesses are not its own.
    const waitMs = isGuess ? guesses.waitMs(address) : 0;
    if (waitMs > 0) {
      metrics.certificate('limited');
      const seconds = Math.ceil(waitMs / 1_000);
      return answerOf(
        refused(
          status.RESOURCE_EXHAUSTED,
          `too many wrong join tokens came from ${address}; try again in ${seconds} s`,
        ),
      );
    }
    let result: Issuance | Refusal;
    try {
      result =
        asked === undefined
          ? refused(status.INVALID_ARGUMENT, 'not a request for a certificate')
          : await issue(asked, manager, address, options);
    } catch (error) {
      // What is wrong with the request is an outcome: this is trouble of ours, and another manager may have none.
      result = refused(status.UNAVAILABLE, errorMessage(error));
    }
    if (result.kind === 'refused') {
      if (result.code === status.UNAUTHENTICATED) guesses.wrong(address);
      const isOurs = result.code === status.UNAVAILABLE || result.code === status.INTERNAL;
      metrics.certificate(isOurs ? 'failed' : 'refused');
      logger.warn({ address, reason: result.message }, 'certificate_refused');
      return answerOf(result);
    }
    metrics.certificate(result.reason);
    const { nodeId, role } = result.response;
    logger.info({ node: nodeId, role, address, reason: result.reason }, 'certificate_issued');
    return { kind: 'response', response: IssueResponse.encode(result.response).finish() };
  };
}

function decoded(request: Uint8Array): IssueRequest | undefined {
  try {
    return IssueRequest.decode(request);
  } catch {
    return undefined;
  }
}

function answerOf({ code, message }: Refusal): AuthorityAnswer {
  return { kind: 'error', code, message };
}

/** The address of `address:port`. */
function hostOf(remoteAddr: string): string {
  const end = remoteAddr.lastIndexOf(':');
  return end < 0 ? remoteAddr : remoteAddr.slice(0, end);
}
