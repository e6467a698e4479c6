import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { shoalOpenApiRoutes } from '../routes/shoal-openapi.ts';
import { NetworkSite, overlay, service } from '../testing/fake-networks.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>>;
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let site: NetworkSite;
let document: Document;
let taskId: string;

beforeAll(async () => {
  site = new NetworkSite();
  const address = '127.0.0.1:9379';
  site.dashboard = { invite: () => ({ kind: 'invited', address, key: 'k', holdsMs: 300_000 }) };
  await site.start();
  await site.init();
  const network = await site.create('front');
  site.allocate(network, '10.0.9', 4_096);
  const id = await site.serve('web', { Labels: { tier: 'front' } });
  taskId = site.addTask(id, network).id;
  const current = await site.ask('GET', '/services/web');
  const { Version } = current.json as { Version: { Index: number } };
  const changed = service('web', { Labels: { tier: 'back' } });
  await site.ask('POST', `/services/web/update?version=${Version.Index}`, changed);
  document = (await site.ask('GET', '/shoal/v1/openapi.json')).json as Document;
});
afterAll(() => site.close());

/** Every operation, with a request that it takes. */
const requests = (): readonly (readonly [string, string, string, object?])[] => [
  ['get', '/shoal/v1/openapi.json', ''],
  ['get', '/shoal/v1/status', ''],
  ['get', '/shoal/v1/metrics', ''],
  ['get', '/shoal/v1/tasks/{ref}/explain', `/shoal/v1/tasks/${taskId}/explain`],
  ['get', '/shoal/v1/services/{ref}/explain', '/shoal/v1/services/web/explain'],
  ['get', '/shoal/v1/services/{ref}/revisions', '/shoal/v1/services/web/revisions'],
  ['post', '/shoal/v1/plan', '', { kind: 'scale', service: 'web', replicas: 3 }],
  ['get', '/shoal/v1/survivability', ''],
  ['get', '/shoal/v1/net/verify', '/shoal/v1/net/verify?network=front'],
  ['post', '/shoal/v1/net/check', '', { timeoutMs: 100 }],
  ['get', '/shoal/v1/settings', ''],
  ['get', '/shoal/v1/audit', '/shoal/v1/audit?since=2026-11-23T14:00:00Z&name=web&limit=5'],
  ['get', '/shoal/v1/audit/verify', ''],
  ['get', '/shoal/v1/unused', ''],
  ['get', '/shoal/v1/capacity', ''],
  ['get', '/shoal/v1/places', ''],
  ['get', '/shoal/v1/changes', '/shoal/v1/changes?after=0'],
  ['post', '/shoal/v1/dashboard/keys', ''],
  ['put', '/shoal/v1/settings', '', { 'shoal.rebalance': 'true' }],
  ['post', '/shoal/v1/services/{ref}/rollback', '/shoal/v1/services/web/rollback?to=1'],
  ['post', '/shoal/v1/tasks/{ref}/restart', `/shoal/v1/tasks/${taskId}/restart`],
];

function schemaOf(content: Content | undefined): z.ZodType {
  const name = content?.['application/json']?.schema.$ref?.split('/').at(-1) ?? '';
  const schema = document.components.schemas[name];
  if (schema === undefined) throw new Error(`there is no schema ${name}`);
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

describe('the OpenAPI document of /shoal/v1', () => {
  test('has every route, and no other', () => {
    const said = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    const asked = requests().map(([method, path]) => `${method} ${path}`);
    expect(said.sort()).toEqual([...asked].sort());
    expect(document.openapi).toBe('3.1.0');
  });

  test('a route that says nothing of itself is not taken', () => {
    const app = fastify();
    shoalOpenApiRoutes(app);
    expect(() => app.get('/shoal/v1/more', () => '')).toThrow('says nothing of itself');
  });

  test('names each operation once, and each parameter of a path', () => {
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.values(item).map((operation) => ({ path, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      const named = (operation.parameters ?? []).filter((one) => one.in === 'path');
      expect(named.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
    }
  });

  test('real answers and requests are as it says', async () => {
    for (const [method, path, target, body] of requests()) {
      const operation = document.paths[path]?.[method];
      if (body !== undefined) schemaOf(operation?.requestBody?.content).parse(body);
      const answer = await site.ask(method.toUpperCase(), target || path, body);
      expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(200);
      const { content } = operation?.responses['200'] ?? {};
      if (content?.['application/json'] === undefined)
        expect(answer.headers['content-type']).toBe(Object.keys(content ?? {})[0]);
      else schemaOf(content).parse(answer.json);
    }
  });

  test('an answer with more or less than it says would be noticed', async () => {
    const schema = schemaOf(document.paths['/shoal/v1/status']?.['get']?.responses['200']?.content);
    const { json } = await site.ask('GET', '/shoal/v1/status');
    const { nodes: _nodes, ...less } = json as Record<string, unknown>;
    expect(schema.safeParse(less).success).toBe(false);
    expect(schema.safeParse({ ...(json as object), more: 1 }).success).toBe(false);
  });

  test('refusals are as it says', async () => {
    const refused = await site.ask('POST', '/shoal/v1/plan', { kind: 'pray' });
    expect(refused.status).toBe(400);
    const operation = document.paths['/shoal/v1/plan']?.['post'];
    schemaOf(operation?.responses['default']?.content).parse(refused.json);
  });
});

describe('the status', () => {
  test('tells what is not as it is asked for, and why', async () => {
    await site.ask('POST', '/networks/create', overlay('unallocated'));
    const { json } = await site.ask('GET', '/shoal/v1/status');
    expect(json).toMatchObject({
      managers: { total: 1, reachable: 1, needed: 1, quorum: true },
      nodes: { total: 1 },
      tasks: { total: 1, byState: { running: 1 } },
      services: { total: 1, converged: 0 },
    });
    const { networks, services, stages } = json as {
      networks: { list: { name: string; subnets: string[] }[] };
      services: { unconverged: { name: string; reason: string }[] };
      stages: { stage: string; alive: boolean }[];
    };
    expect(networks.list.find(({ name }) => name === 'front')?.subnets).toEqual(['10.0.9.0/24']);
    expect(networks.list.find(({ name }) => name === 'unallocated')?.subnets).toEqual([]);
    expect(services.unconverged[0]).toMatchObject({ name: 'web' });
    expect(stages.map(({ stage }) => stage)).toHaveLength(4);
  });

  test('is there as gauges', async () => {
    const { text } = await site.ask('GET', '/shoal/v1/metrics');
    expect(text).toContain('# TYPE shoal_cluster_tasks gauge\n');
    expect(text).toMatch(/^shoal_cluster_tasks\{state="running"\} 1$/m);
    expect(text).toMatch(/^shoal_cluster_quorum 1$/m);
  });
});
