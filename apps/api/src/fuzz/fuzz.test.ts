import { readFileSync, writeFileSync } from 'node:fs';
import type { Logger } from '@shoal/runtime';
import { newMeta, type StateObject } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { contractsDir } from '../contract/recording.ts';
import { isDescribed } from '../contract/swagger.ts';
import { ownerOf } from '../proxy/ownership.ts';
import { NetworkSite } from '../testing/fake-networks.ts';
import { Chance } from './chance.ts';
import { type Endpoint, endpoints, tablePath, tableText } from './endpoints.ts';
import { type Description, endpointsOf } from './from-swagger.ts';
import { type Known, Values } from './values.ts';

/** Requests of one run; a run is another seed. */
const requestsPerSeed = Number(process.env['SHOAL_FUZZ_REQUESTS'] ?? 250);
const seeds = (process.env['SHOAL_FUZZ_SEEDS'] ?? '1,2').split(',').map(Number);

/** Endless, or the end of the swarm that the requests are about. */
const leftOut = new Set(['/events', '/swarm/leave', '/swarm/join']);
/** Our own operations, which answer as Docker's do. */
const own: readonly Endpoint[] = [
  { method: 'GET', path: '/shoal/v1/status' },
  { method: 'GET', path: '/shoal/v1/metrics' },
  { method: 'GET', path: '/shoal/v1/settings' },
  { method: 'PUT', path: '/shoal/v1/settings', body: { 'shoal.rebalance': 's', '*': 's' } },
  { method: 'GET', path: '/shoal/v1/net/verify', query: { network: 's' } },
  { method: 'POST', path: '/shoal/v1/net/check', body: { timeoutMs: 'i' } },
  { method: 'GET', path: '/shoal/v1/tasks/{id}/explain' },
  { method: 'GET', path: '/shoal/v1/services/{id}/explain' },
  { method: 'GET', path: '/shoal/v1/services/{id}/revisions' },
  { method: 'POST', path: '/shoal/v1/services/{id}/rollback', query: { to: 'i' } },
  {
    method: 'POST',
    path: '/shoal/v1/plan',
    body: { kind: 'drain|lose|scale|rebalance', node: 's', service: 's', replicas: 'i' },
  },
];
const ownShare = 0.06;
const asking = new Set(['/shoal/v1/plan', '/shoal/v1/net/check']);
const filterNames = ['name', 'id', 'label', 'service', 'node', 'desired-state', 'role', 'mode'];
const oddQueries = ['', '-1', '1e3', '18446744073709551616', '%00', 'true', '{', '{"name":1}', 'é'];

let site: NetworkSite;
let broke: { readonly error: unknown; readonly message: string }[];
/** Objects that were created, changed or deleted. */
let written: number;

const ignore = (): void => undefined;

beforeEach(async () => {
  site = new NetworkSite();
  broke = [];
  written = 0;
  site.host.log.replica().subscribe((event) => {
    if (event.kind === 'applied') written += event.entry.changes.length;
  });
  const logger: Partial<Logger> = {
    error: (fields: object, message: string) => {
      broke.push({ error: Reflect.get(fields, 'error'), message });
    },
    ...{ warn: ignore, info: ignore, debug: ignore },
  };
  site.logger = logger as Logger;
  await site.start();
  await site.init();
});
afterEach(() => site.close());

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** One request: of what the endpoint takes mostly, with something odd in it now and then. */
function requestTo(endpoint: Endpoint, chance: Chance, known: Known): Request {
  const wrong = chance.of([0, 0.02, 0.1, 0.4]);
  const values = new Values(chance, known, wrong);
  const ref = chance.is(0.7) ? chance.of(known.names) : values.text('');
  const path = endpoint.path.replace('{id}', encodeURIComponent(ref.toWellFormed()).slice(0, 900));
  const query = Object.entries(endpoint.query ?? {}).flatMap(([name, kind]) => {
    // Logs that are followed have no end.
    if (name === 'follow' || !chance.is(name === 'version' ? 0.95 : 0.5)) return [];
    return [`${name}=${encodeURIComponent(queryValue(name, kind, chance, known, ref))}`];
  });
  const version =
    chance.is(0.3) && !path.startsWith('/shoal')
      ? `/v1.${chance.of([24, 25, 30, 40, 41, 44, 50])}`
      : '';
  const type = chance.is(0.03) ? chance.of(['text/plain', 'application/JSON; x=y', '']) : undefined;
  return {
    method: endpoint.method,
    path: `${version}${path}${query.length === 0 ? '' : `?${query.join('&')}`}`,
    body: endpoint.body === undefined ? undefined : bodyText(values.of(endpoint.body), chance),
    headers: {
      ...(type !== undefined && { 'content-type': type }),
      ...(chance.is(0.1) && { 'x-registry-auth': chance.of(['e30=', '!', 'a'.repeat(5_000)]) }),
    },
  };
}

function queryValue(
  name: string,
  kind: string,
  chance: Chance,
  { names, versions }: Known,
  ref: string,
): string {
  if (chance.is(0.1)) return chance.of(oddQueries);
  if (name === 'version') return String(versions.get(ref) ?? chance.below(50));
  if (name === 'filters')
    return JSON.stringify({ [chance.of(filterNames)]: [chance.of([...names, 'running'])] });
  return kind === 'b' ? chance.of(['0', '1', 'true', 'false']) : chance.of(['1', '10', 'all', '']);
}

/** Now and then not even JSON. */
function bodyText(body: unknown, chance: Chance): string {
  const text = JSON.stringify(body) ?? '';
  if (chance.is(0.03)) return text.slice(0, chance.below(text.length + 1));
  if (chance.is(0.02)) return `${text} ${text}`;
  return chance.is(0.01) ? `${'['.repeat(5_000)}${']'.repeat(5_000)}` : text;
}

function known(): Known {
  const { services, networks, nodes, secrets, configs } = site.view;
  const names = ['nothing'];
  const versions = new Map<string, number>();
  for (const table of [services, networks, nodes, secrets, configs]) {
    const all: readonly StateObject[] = [...table.values()];
    for (const { id, meta } of all.slice(-5)) {
      names.push(id);
      versions.set(id, meta.version);
    }
  }
  for (const { name, meta } of [...services.values()].slice(-5)) {
    names.push(name);
    versions.set(name, meta.version);
  }
  return { names, versions };
}

async function fuzz(seed: number): Promise<void> {
  const chance = new Chance(seed);
  const all = endpoints().filter(({ path }) => !leftOut.has(path));
  const writes = all.filter(({ body }) => body !== undefined);
  let taken = 0;
  for (let at = 0; at < requestsPerSeed; at += 1) {
    // Requests with bodies have more to get wrong.
    const docker = chance.is(0.7) ? writes : all;
    const request = requestTo(chance.of(chance.is(ownShare) ? own : docker), chance, known());
    const before = written;
    const { status, headers, text } = await site.ask(
      request.method,
      request.path,
      request.body,
      request.headers,
    );
    const about = `seed=${seed} request=${at}: ${JSON.stringify(request).slice(0, 2_000)} → ${status} ${text.slice(0, 300)}`;
    expect(broke, about).toEqual([]);
    const isRead = ['GET', 'HEAD'].includes(request.method) || asking.has(request.path);
    if (status >= 400 || isRead) expect(written, about).toBe(before);
    if (status >= 400) expectRefusal(text, headers, about);
    else if (!isRead) taken += 1;
  }
  expect(taken).toBeGreaterThan(requestsPerSeed / 50);
}

function expectRefusal(text: string, headers: object, about: string): void {
  const { message } = JSON.parse(text) as { message: unknown };
  expect(typeof message, about).toBe('string');
  expect(Reflect.get(headers, 'content-type'), about).toBe('application/json');
}

describe('any request', () => {
  test.each(seeds)('is answered as Docker’s API answers, seed %i', async (seed) => {
    await fuzz(seed);
    // What was taken can be shown, and the stages can live with it.
    for (const path of ['/services?status=true', '/tasks', '/networks', '/secrets', '/configs'])
      expect((await site.ask('GET', path)).status, `seed=${seed} ${path}`).toBe(200);
    for (const { id } of site.view.services.values()) {
      const shown = await site.ask('GET', `/services/${id}?insertDefaults=true`);
      expect(shown.status, `seed=${seed} ${shown.text}`).toBe(200);
    }
    const planned = await site.ask('POST', '/shoal/v1/plan', { kind: 'rebalance' });
    expect(planned.status, `seed=${seed} ${planned.text.slice(0, 500)}`).toBe(200);
    expect(broke).toEqual([]);
  });

  test('that breaks something is noticed', async () => {
    const id = await site.serve('web');
    const object = { id: 'scheduler@a/0', meta: newMeta, stage: 'scheduler', nodeId: 'a' };
    const lease = { ...object, address: '127.0.0.1:1' };
    site.host.log.write([{ op: 'create', table: 'lease', object: lease }], 'system');
    site.explain = {
      ask: () => {
        throw new TypeError('the test breaks it');
      },
    };
    expect((await site.ask('GET', `/shoal/v1/services/${id}/explain`)).status).toBe(500);
    expect(broke).toMatchObject([{ message: 'request_broke' }]);
  });

  test('seeds say all there is to say', () => {
    const of = (seed: number) => {
      const chance = new Chance(seed);
      const none = { names: ['a'], versions: new Map<string, number>() };
      return endpoints().map((one) => requestTo(one, chance, none));
    };
    expect(of(7)).toEqual(of(7));
    expect(of(7)).not.toEqual(of(8));
  });
});

describe('the table of endpoints', () => {
  test('has nothing that the engine answers', () => {
    for (const { method, path } of endpoints()) expect(ownerOf(method, path)).toBe('cluster');
  });

  test.runIf(isDescribed())('is what Docker’s description says', () => {
    const text = readFileSync(`${contractsDir}/engine-api/v1.50.yaml`, 'utf8');
    const description = parse(text, { merge: true, maxAliasCount: -1 }) as Description;
    const roots = new Set(endpoints().map(({ path }) => path.split('/')[1] ?? ''));
    const made = endpointsOf(description, roots);
    if (process.env['UPDATE'] === '1') writeFileSync(tablePath, tableText(made));
    expect(made).toEqual(endpoints());
  });
});
