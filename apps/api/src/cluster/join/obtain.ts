import { hostname } from 'node:os';
import { ApiError, defaultDataPathPort, rpcError, type SwarmJoin } from '@shoal/docker-api';
import {
  type CertificateOutcome,
  type ObtainedCertificate,
  requestCertificate,
  tokenPins,
} from '@shoal/pki';
import { type Instant, version } from '@shoal/runtime';
import type { MembershipOptions } from '../options.ts';
import { checkClock, checkTunnelPort, checkVersion } from './preflight.ts';
import { showRoot } from './trust-root.ts';

/** The manager has just answered: what is tried again is an election under way. */
const triesMax = 3;

/**
 * A certificate for this host, which listens at `host`, from the manager at `address`, once that is one of the
 * token's cluster, with about the same time and version, and the cluster's tunnels can end here.
 * @throws ApiError, one sentence with the fix
 */
export async function obtainCertificate(
  request: SwarmJoin,
  { address, host }: { readonly address: string; readonly host: string },
  { clock, probes }: MembershipOptions,
): Promise<ObtainedCertificate> {
  const shown = await showRoot(address, clock);
  if (shown.kind === 'failed')
    throw rpcError(
      'Unavailable',
      `what listens at ${address} does not answer as a manager: ${shown.message}; check that the address is that of a manager's cluster port, and that shoal runs there`,
    );
  const { root } = shown;
  if (!tokenPins(request.joinToken, root.certificates))
    throw new ApiError(
      500,
      `remote CA does not match fingerprint: the manager at ${address} is not of the swarm that the join token is for; get the token with "docker swarm join-token" on that swarm`,
    );
  checkVersion(version, root.version, address);
  checkClock(clock.now(), root.timeMs as Instant, address);
  await checkTunnelPort({ host, port: root.dataPathPort ?? defaultDataPathPort }, probes, clock);
  const outcome = await requestCertificate({
    addresses: [address],
    proof: {
      kind: 'token',
      token: request.joinToken,
      availability: request.availability,
      hostname: hostname(),
    },
    clock,
    tries: triesMax,
  });
  if (outcome.kind === 'failed') throw refusalOf(outcome);
  return outcome;
}

function refusalOf(failed: Extract<CertificateOutcome, { kind: 'failed' }>): ApiError {
  switch (failed.code) {
    case 'unreachable':
      return rpcError('Unavailable', failed.message);
    case 'fingerprint':
      return new ApiError(500, failed.message);
    case 'clock':
      return new ApiError(400, failed.message);
    case 'refused':
      return rpcError('InvalidArgument', failed.message);
  }
}
