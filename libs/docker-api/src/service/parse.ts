import { decode } from '../json.ts';
import { type ServiceSpecRequest, serviceSpecSchema } from '../requests/service-spec.ts';
import type { ApiVersion } from '../version.ts';
import { type NormalisedSpec, normaliseServiceSpec } from './normalise.ts';
import { withoutNewerFields } from './older-versions.ts';

/**
 * Reads a service spec from a parsed body as a client of that version can mean it; what it asks for is not
 * judged yet. @throws ApiError 400 for what is no service spec
 */
export function readServiceSpec(body: unknown, version: ApiVersion): ServiceSpecRequest {
  return withoutNewerFields(decode(serviceSpecSchema, 'ServiceSpec', body), version);
}

/**
 * Reads a service spec from a parsed body, with the checks and defaults of Docker's daemon.
 * @throws ApiError in Docker's words.
 */
export function parseServiceSpec(body: unknown, version: ApiVersion): NormalisedSpec {
  return normaliseServiceSpec(readServiceSpec(body, version));
}
