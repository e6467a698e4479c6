import type { IncomingMessage } from 'node:http';

const origin = /^https?:\/\/[^/?]*/i;

/** Servers take a target with scheme and host for its path (RFC 9112, section 3.2.2), as clients behind a forwarder send it. */
export function takeOriginForm(request: IncomingMessage): void {
  const { url = '/' } = request;
  const [place] = origin.exec(url) ?? [];
  if (place === undefined) return;
  const path = url.slice(place.length);
  request.url = path.startsWith('/') ? path : `/${path}`;
}
