import { Metadata } from '@grpc/grpc-js';
import { channelCredentials, channelOptions, type Identity } from '@shoal/pki';
import { type DecisionsRequest, type DecisionsResponse, ExplainClient } from '@shoal/proto';
import type { Clock } from '@shoal/runtime';

/** Longest wait for one scheduler, milliseconds. */
const answerMsMax = 2_000;

export type Told =
  | { readonly kind: 'told'; readonly answer: DecisionsResponse }
  | { readonly kind: 'silent'; readonly reason: string };

/** Where the schedulers' own records come from. */
export interface ExplainSource {
  ask(identity: Identity, address: string, request: DecisionsRequest): Promise<Told>;
}

/** Asks over mutual TLS; a connection for each question, because they are rare. */
export function schedulerRecords(clock: Clock): ExplainSource {
  return {
    async ask(identity, address, request) {
      const client = new ExplainClient(
        address,
        channelCredentials(identity),
        channelOptions('manager'),
      );
      const deadline = new Date(clock.now() + answerMsMax);
      return new Promise<Told>((resolve) => {
        client.decisions(request, new Metadata(), { deadline }, (error, answer) => {
          client.close();
          if (error === null) resolve({ kind: 'told', answer });
          else resolve({ kind: 'silent', reason: error.details || error.message });
        });
      });
    },
  };
}
