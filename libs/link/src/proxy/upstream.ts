import type { ClientRequest, OutgoingHttpHeaders } from 'node:http';

/** What is passed on. */
export interface PassedRequest {
  readonly method: string;
  readonly path: string;
  /** By name, or as names and values in turn. */
  readonly headers: OutgoingHttpHeaders | readonly string[];
}

/** Why a client gets no answer; the message is one sentence for people. */
export interface UpstreamFailure {
  readonly status: number;
  readonly message: string;
}

/** Where requests are passed on to. */
export interface Upstream {
  /** The target as it has it. @throws what {@link failure} explains. */
  path(url: string): Promise<string>;
  request(passed: PassedRequest): ClientRequest;
  failure(cause: unknown): UpstreamFailure;
}
