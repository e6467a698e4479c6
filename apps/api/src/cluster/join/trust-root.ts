import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { channelOptions } from '@shoal/pki';
import { CertificateAuthorityClient, type TrustRootResponse } from '@shoal/proto';
import { type Clock, errorMessage } from '@shoal/runtime';

/** Longest wait for the answer, milliseconds. */
const answerMsMax = 10_000;

export type ShownRoot =
  | { readonly kind: 'shown'; readonly root: TrustRootResponse }
  | { readonly kind: 'failed'; readonly message: string };

/** What a manager says of itself and its cluster. Nothing proves it yet: the join token must pin the root. */
export async function showRoot(address: string, clock: Clock): Promise<ShownRoot> {
  const unverified = credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  const client = new CertificateAuthorityClient(address, unverified, {
    ...channelOptions('manager'),
    'grpc.use_local_subchannel_pool': 1,
  });
  try {
    const root = await new Promise<TrustRootResponse>((resolve, reject) => {
      const deadline = new Date(clock.now() + answerMsMax);
      client.trustRoot({}, new Metadata(), { deadline }, (error, response) =>
        error === null ? resolve(response) : reject(error),
      );
    });
    return { kind: 'shown', root };
  } catch (error) {
    const { details } = error as Partial<ServiceError>;
    return { kind: 'failed', message: details ?? errorMessage(error) };
  } finally {
    client.close();
  }
}
