import type { IncomingMessage } from 'node:http';
import { splitVersion } from '@shoal/docker-api';
import { takeOriginForm } from './target.ts';

/** Calls of the engine that change the protocol, as method and path. */
const upgrading = [
  /^POST \/containers\/[^/]+\/attach$/,
  /^GET \/containers\/[^/]+\/attach\/ws$/,
  /^POST \/exec\/[^/]+\/start$/,
  /^POST \/(?:grpc|session)$/,
];

/**
 * Whether an offer to change the protocol can be taken up. Some clients make one with every request
 * (`h2c`, `TLS/1.2`); where nothing comes of it they are answered as if they had not.
 */
export function canUpgrade(request: IncomingMessage): boolean {
  takeOriginForm(request);
  const { method = 'GET', url = '/', headers } = request;
  const split = splitVersion(url);
  // A tunnel tells the body from what follows it by its length.
  if (split.kind === 'refused' || headers['transfer-encoding'] !== undefined) return false;
  const [path] = split.path.split('?');
  return upgrading.some((form) => form.test(`${method} ${path}`));
}
