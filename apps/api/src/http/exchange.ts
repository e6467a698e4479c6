import type { IncomingMessage } from 'node:http';
import {
  ApiError,
  type ApiVersion,
  apiErrors,
  isJsonContentType,
  maxVersion,
  parseJson,
  type VersionedKind,
} from '@shoal/docker-api';
import type { LogIndex } from '@shoal/runtime';
import { invariant } from '@shoal/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What the gateway learnt of a request before the router saw it. */
export interface Arrival {
  readonly version: ApiVersion;
  /** The target as the client sent it, with its version. */
  readonly url: string;
}

const arrivals = new WeakMap<IncomingMessage, Arrival>();

export function noteArrival(request: IncomingMessage, arrival: Arrival): void {
  arrivals.set(request, arrival);
}

export function arrivalOf(request: FastifyRequest): Arrival {
  return arrivals.get(request.raw) ?? { version: maxVersion, url: request.url };
}

/** The parsed body. @throws ApiError 400 for another content type, and for what is no JSON. */
export function jsonBody(request: FastifyRequest): unknown {
  const { body } = request;
  const text = typeof body === 'string' ? body : '';
  const type = request.headers['content-type'];
  if (type === undefined && text === '') return {};
  if (!isJsonContentType(type ?? '')) throw apiErrors.contentType(type ?? '');
  return parseJson(text);
}

/** Query values; of repeated ones the first, as in Go. */
export function queryOf(request: FastifyRequest): Readonly<Record<string, string | undefined>> {
  const query = request.query as Readonly<Record<string, string | string[] | undefined>>;
  return Object.fromEntries(
    Object.entries(query).map(([key, value]) => [key, Array.isArray(value) ? value[0] : value]),
  );
}

const trueTexts = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falseTexts = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** A flag as Go reads it; absent is false. `isTold` adds Go's own words. @throws ApiError 400 */
export function flagOf(request: FastifyRequest, name: string, isTold: boolean): boolean {
  const value = queryOf(request)[name] ?? '';
  if (value === '' || falseTexts.has(value)) return false;
  if (trueTexts.has(value)) return true;
  const go = `: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
  throw new ApiError(400, `invalid value for ${name}: ${value}${isTold ? go : ''}`);
}

export function refOf(request: FastifyRequest): string {
  const { ref } = request.params as { readonly ref?: string };
  invariant(ref !== undefined, 'a route without its parameter');
  return ref;
}

/** An object's version as `?version=N` names it. @throws ApiError 400 in Docker's words. */
export function versionOf(request: FastifyRequest, kind: VersionedKind): LogIndex {
  const given = queryOf(request)['version'] ?? '';
  if (!/^\d+$/.test(given) || !Number.isSafeInteger(Number(given)))
    throw apiErrors.badVersion(kind, given);
  return Number(given) as LogIndex;
}

/** JSON as dockerd sends it: this exact content type, and a newline at the end. */
export function sendJson(reply: FastifyReply, status: number, value: unknown): FastifyReply {
  return reply
    .code(status)
    .header('content-type', 'application/json')
    .send(Buffer.from(`${JSON.stringify(value)}\n`));
}

export function sendEmpty(reply: FastifyReply, status = 200): FastifyReply {
  return reply.code(status).send();
}

/** Any error as a client sees it. */
export function errorBody(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof ApiError) return { status: error.status, message: error.message };
  const status = (error as { readonly statusCode?: unknown }).statusCode;
  const message = error instanceof Error ? error.message : String(error);
  return { status: typeof status === 'number' ? status : 500, message };
}
