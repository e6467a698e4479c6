import { createServer, request } from 'node:http';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';
import { Dashboard } from './dashboard.ts';
import type { PageOutcome } from './page.ts';

const page: PageOutcome = {
  kind: 'page',
  page: { '/': { mediaType: 'text/html; charset=utf-8', body: '<p>page</p>' } },
};

let site: FakeSite;
let dashboard: Dashboard;
let found: PageOutcome;
let address: string;
let key: string;

beforeEach(async () => {
  site = new FakeSite();
  dashboard = new Dashboard(systemClock, systemRandom, silentLogger);
  site.dashboard = dashboard;
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
  found = page;
  await dashboard.open(
    { host: '127.0.0.1', port: 0 },
    { page: async () => found, api: (...asked) => site.answer(...asked) },
  );
  const invited = await site.ask('POST', '/shoal/v1/dashboard/keys');
  ({ Address: address, Key: key } = invited.json as { Address: string; Key: string });
});
afterEach(async () => {
  await dashboard.close(0);
  await site.close();
});

interface Said {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** As a program asks, which may send what no browser would. */
function ask(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Promise<Said> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const call = request({ host, port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

function open(): Promise<Said> {
  const body = JSON.stringify({ key });
  return ask('POST', '/session', { 'content-length': String(body.length) }, body);
}

async function bearer(): Promise<Readonly<Record<string, string>>> {
  const { token } = JSON.parse((await open()).text) as { token: string };
  return { authorization: `Bearer ${token}` };
}

describe('the page', () => {
  test('is for everybody, lets nothing else in, and no other page around it', async () => {
    const { status, headers, text } = await ask('GET', '/');
    expect({ status, text }).toEqual({ status: 200, text: '<p>page</p>' });
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });

  test.each(['/nothing', '/__proto__', '/../etc/passwd', '//'])('%s is none', async (path) => {
    expect(await ask('GET', path)).toMatchObject({ status: 404 });
  });

  test('that was not built is named', async () => {
    found = { kind: 'missing', message: 'it is not built' };
    expect(await ask('GET', '/')).toMatchObject({
      status: 503,
      text: '{"message":"it is not built"}\n',
    });
  });
});

describe('a session', () => {
  test('is opened once with a key, and shows what the API says', async () => {
    const headers = await bearer();
    const nodes = await ask('GET', '/api/nodes', headers);
    expect(nodes.status).toBe(200);
    expect(JSON.parse(nodes.text)).toEqual((await site.ask('GET', '/nodes')).json);
    expect(await open()).toMatchObject({ status: 403 });
  });

  test('that is closed shows nothing', async () => {
    const headers = await bearer();
    expect(await ask('DELETE', '/session', headers)).toMatchObject({ status: 204 });
    expect(await ask('GET', '/api/nodes', headers)).toMatchObject({ status: 401 });
  });

  test.each<[string, Readonly<Record<string, string>>]>([
    ['nothing', {}],
    ['an empty token', { authorization: 'Bearer ' }],
    ['a guess', { authorization: 'Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }],
    ['the key itself', { authorization: 'Bearer KEY' }],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['a cookie', { cookie: 'token=KEY' }],
  ])('is not had with %s', async (_what, headers) => {
    const given = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace('KEY', key)]),
    );
    const answer = await ask('GET', '/api/nodes', given);
    expect(answer.status).toBe(401);
    expect(answer.text).toContain('./shoal dashboard');
  });

  test.each([
    ['{"key":"guessed"}', 403],
    ['{"key":7}', 403],
    ['no json', 403],
    ['', 403],
    ['x'.repeat(2_000), 413],
  ])('is not opened with %j', async (body, status) => {
    const headers = { 'content-length': String(body.length) };
    expect(await ask('POST', '/session', headers, body)).toMatchObject({ status });
    // Without its length, it could go on for ever.
    const endless = { 'transfer-encoding': 'chunked' };
    expect(await ask('POST', '/session', endless, body)).toMatchObject({ status: 413 });
    expect(await open()).toMatchObject({ status: 200 });
  });
});

describe('what a session is not shown', () => {
  test.each([
    ['POST', '/services/create'],
    ['POST', '/shoal/v1/dashboard/keys'],
    ['DELETE', '/nodes'],
    ['PUT', '/shoal/v1/settings'],
    ['HEAD', '/nodes'],
    // These say how to join, what opens the swarm, or who may do what on this host.
    ['GET', '/swarm'],
    ['GET', '/swarm/unlockkey'],
    ['GET', '/info'],
    ['GET', '/containers/json'],
    ['GET', '/shoal/v1/backup'],
    ['GET', `/containers/${'a'.repeat(64)}/archive?path=/etc/shadow`],
    // Other ways to write a path.
    ['GET', '/v1.41/swarm'],
    ['GET', '/nodes/../swarm'],
    ['GET', '/nodes%2f..%2fswarm'],
    ['GET', '//swarm'],
    ['GET', '/swarm?/nodes'],
    ['GET', '/services/web/logs/../../swarm'],
    ['GET', ''],
  ])('%s %s', async (method, path) => {
    const before = (await site.ask('GET', '/services')).text;
    const observed = site.observed.length;
    const answer = await ask(method, `/api${path}`, await bearer());
    // An empty path is no question for the API, and no page.
    expect(answer.status).toBe(path === '' ? 404 : 403);
    expect((await site.ask('GET', '/services')).text).toBe(before);
    // Only what this test asked itself has got through.
    expect(site.observed.slice(observed).every((line) => line.includes('/services'))).toBe(true);
  });
});

describe('where it cannot be', () => {
  test('its port is taken: it says so, and nothing ends', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    const other = new Dashboard(systemClock, systemRandom, silentLogger);
    await other.open({ host: '127.0.0.1', port }, { page: async () => page, api: () => undefined });
    const invitation = other.invite();
    expect(invitation.kind === 'silent' ? invitation.message : '').toMatch(
      /^the dashboard cannot listen on 127\.0\.0\.1:\d+ \(.*EADDRINUSE.*\): give .\/shoal up another --dashboard$/,
    );
    await other.close(0);
    await new Promise((resolve) => holder.close(resolve));
  });

  test('it is off: the API says how to turn it on', async () => {
    site.dashboard = new Dashboard(systemClock, systemRandom, silentLogger);
    expect(await site.ask('POST', '/shoal/v1/dashboard/keys')).toMatchObject({
      status: 503,
      json: { message: expect.stringContaining('--dashboard=127.0.0.1:9379') },
    });
  });
});
