import { decode } from '../json.ts';
import { serviceSpecSchema } from '../requests/service-spec.ts';
import type { ApiVersion } from '../version.ts';
import { type NormalisedSpec, normaliseServiceSpec } from './normalise.ts';
import { withoutNewerFields } from './older-versions.ts';

/**
 * Reads a service spec from a parsed body: shape, version, then Docker's daemon checks and defaults.
 * @throws ApiError in Docker's words.
 */
export function parseServiceSpec(body: unknown, version: ApiVersion): NormalisedSpec {
  const request = decode(serviceSpecSchema, 'ServiceSpec', body);
  return normaliseServiceSpec(withoutNewerFields(request, version));
}
