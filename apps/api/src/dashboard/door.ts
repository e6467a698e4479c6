import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { DashboardKeys } from './keys.ts';
import type { PageOutcome } from './page.ts';
import { isShown } from './shown-paths.ts';

/** What the API is asked for begins with this. */
const apiPrefix = '/api';
/** Longest head of a request, bytes: filters name some ids. */
const headBytesMax = 64 * 1024;
/** Longest wait for the head of a request, and for its body, milliseconds. */
const requestMsMax = 10_000;
/** Longest body: there is only one, and it has a key in it. */
const bodyBytesMax = 1_024;
/** Connections at the same time; a browser makes six. */
const connectionsMax = 256;

const keyBody = z.object({ key: z.string().max(128) });

/** Nothing comes from elsewhere, nothing goes elsewhere, and no other page shows ours in a frame. */
const guarding = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

export interface DoorOptions {
  readonly keys: DashboardKeys;
  readonly page: () => Promise<PageOutcome>;
  /** Answers what the API is asked, as on its socket. */
  readonly api: (request: IncomingMessage, response: ServerResponse) => unknown;
}

/**
 * The dashboard's own server: its page for everybody, and for who shows a token what the API says to GET, of the paths
 * that the page needs. A token is no cookie: those of one port of a host are sent to all of its ports, and by themselves.
 */
export function dashboardDoor({ keys, page, api }: DoorOptions): Server {
  const server = createServer(
    {
      maxHeaderSize: headBytesMax,
      headersTimeout: requestMsMax,
      requestTimeout: requestMsMax,
    },
    (request, response) => {
      for (const [name, value] of Object.entries(guarding)) response.setHeader(name, value);
      const { method = '', url = '/' } = request;
      if (url.startsWith(`${apiPrefix}/`)) {
        const target = url.slice(apiPrefix.length);
        if (!keys.admits(tokenOf(request))) {
          refuse(response, 401, noToken);
          return;
        }
        if (method !== 'GET' || !isShown(target)) {
          refuse(response, 403, `the dashboard does not ask ${method} ${pathOf(target)}`);
          return;
        }
        request.url = target;
        // Nobody behind this door has a use for the token.
        delete request.headers.authorization;
        api(request, response);
        return;
      }
      if (pathOf(url) === '/session') void changeSession(keys, request, response);
      else void sendPage(page, request, response);
    },
  );
  server.maxConnections = connectionsMax;
  return server;
}

const noToken =
  'the dashboard is not open in this browser, or not any more: ./shoal dashboard prints a new address';

async function changeSession(
  keys: DashboardKeys,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method === 'DELETE') {
    keys.close(tokenOf(request));
    response.writeHead(204).end();
    return;
  }
  if (request.method !== 'POST') return refuse(response, 405, 'a session is opened by POST');
  const length = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (!(length <= bodyBytesMax)) return refuse(response, 413, 'this is no key');
  const given = keyBody.safeParse(parsed(await text(request).catch(() => '')));
  const token = given.success ? keys.open(given.data.key) : undefined;
  if (token === undefined)
    return refuse(
      response,
      403,
      'this address has been used or is too old: ./shoal dashboard prints a new one',
    );
  sendBody(response, 200, 'application/json', JSON.stringify({ token }));
}

async function sendPage(
  page: DoorOptions['page'],
  { method, url = '/' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405, 'pages are only read');
  const found = await page();
  if (found.kind === 'missing') return refuse(response, 503, found.message);
  const file = Object.hasOwn(found.page, pathOf(url)) ? found.page[pathOf(url)] : undefined;
  if (file === undefined) return refuse(response, 404, `there is no page ${pathOf(url)}`);
  sendBody(response, 200, file.mediaType, file.body);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  sendBody(response, status, 'application/json', `${JSON.stringify({ message })}\n`);
}

function sendBody(response: ServerResponse, status: number, type: string, body: string): void {
  // The next version of a page must not wait for the end of a cache.
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-store' };
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body);
}

function pathOf(target: string): string {
  return target.split('?', 1)[0] ?? '';
}

function tokenOf({ headers }: IncomingMessage): string {
  return /^Bearer ([\w-]+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
