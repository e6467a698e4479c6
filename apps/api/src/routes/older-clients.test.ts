import { createServer, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

const digest = `sha256:${'a'.repeat(64)}`;
/** What the fake engine was asked, with the credentials that came along. */
let asked: { readonly path: string; readonly auth: string | undefined }[] = [];

function registry(request: IncomingMessage): { readonly status: number; readonly json: object } {
  const { url = '', headers } = request;
  if (url === '/_ping' || url === '/version') return { status: 200, json: {} };
  asked.push({ path: url, auth: headers['x-registry-auth']?.toString() });
  if (url.startsWith('/distribution/known'))
    return { status: 200, json: { Descriptor: { digest }, Platforms: [] } };
  if (url.includes('/volumes')) return { status: 201, json: { Name: 'v' } };
  return { status: 500, json: { message: 'no registry' } };
}

let site: FakeSite;
beforeEach(async () => {
  asked = [];
  const engine = createServer((request, response) => {
    request.resume().on('end', () => {
      const { status, json } = registry(request);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    });
  });
  site = new FakeSite(engine);
  await site.start();
});
afterEach(() => site.close());

const init = () => site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
const service = (Name: string, Image: string) => ({
  Name,
  TaskTemplate: { ContainerSpec: { Image } },
});

describe('before 1.30 the server pins images', () => {
  beforeEach(init);

  const imageOf = async (name: string): Promise<unknown> => {
    const { json } = await site.ask('GET', `/services/${name}`);
    return (json as { Spec: { TaskTemplate: { ContainerSpec: { Image: string } } } }).Spec
      .TaskTemplate.ContainerSpec.Image;
  };

  test('to what the registry says, with the credentials of the request', async () => {
    const headers = { 'x-registry-auth': 'e30=' };
    const made = await site.ask('POST', '/v1.29/services/create', service('a', 'known/x'), headers);
    expect(made).toMatchObject({ status: 201, json: { Warnings: null } });
    expect(await imageOf('a')).toBe(`known/x:latest@${digest}`);
    expect(asked).toEqual([{ path: '/distribution/known/x:latest/json', auth: 'e30=' }]);
  });

  test('or warns', async () => {
    const made = await site.ask('POST', '/v1.24/services/create', service('b', 'away:v1'));
    const warning =
      'image away:v1 could not be accessed on a registry to record\nits digest. Each node will access away:v1 independently,\npossibly leading to different nodes running different\nversions of the image.\n';
    expect(made).toMatchObject({ status: 201, json: { Warnings: [warning] } });
    expect(await imageOf('b')).toBe('away:v1');
  });

  test('and of labels that look like ours and do nothing', async () => {
    const asking = { ...service('e', 'known/x'), Labels: { 'shoal.dependson': 'db', own: '1' } };
    const made = await site.ask('POST', '/v1.50/services/create', asking);
    const warning =
      'label shoal.dependson is not known and does nothing; did you mean shoal.depends-on?';
    expect(made).toMatchObject({ status: 201, json: { Warnings: [warning] } });
  });

  test('newer clients do it themselves', async () => {
    await site.ask('POST', '/v1.30/services/create', service('c', 'known/x'));
    await site.ask('POST', '/v1.29/services/create', service('d', `known/x@${digest}`));
    expect(await imageOf('c')).toBe('known/x');
    expect(asked).toEqual([]);
  });
});

describe('flags of a query', () => {
  beforeEach(init);

  test.each([
    ['/services?status=x', 'status: x: strconv.ParseBool: parsing "x": invalid syntax'],
    [
      '/services/a?insertDefaults=2',
      'insertDefaults: 2: strconv.ParseBool: parsing "2": invalid syntax',
    ],
  ])('%s', async (path, message) => {
    expect(await site.ask('GET', path)).toMatchObject({
      status: 400,
      json: { message: `invalid value for ${message}` },
    });
  });

  test("an older client's status is not looked at", async () => {
    expect(await site.ask('GET', '/v1.40/services?status=x')).toMatchObject({ status: 200 });
  });

  test.each(['rotateWorkerToken', 'rotateManagerToken', 'rotateManagerUnlockKey'])(
    '%s of a swarm update',
    async (name) => {
      const answer = await site.ask('POST', `/swarm/update?version=1&${name}=yes`, {});
      expect(answer).toMatchObject({
        status: 400,
        json: { message: `invalid value for ${name}: yes` },
      });
    },
  );
});

describe('an update', () => {
  beforeEach(init);

  test.each([
    ['nope', '?version=1', 400, 'mismatched Runtime and *Spec fields', {}],
    ['web', '?version=1&rollback=none', 500, /out of sequence/, service('web', 'a')],
    [
      'web',
      '?version=1&registryAuthFrom=previous-spec',
      500,
      /^service does not have a previous spec$/,
      service('web', 'a'),
    ],
    [
      'web',
      '?version=1&registryAuthFrom=x',
      500,
      /unsupported registryAuthFrom value/,
      service('web', 'a'),
    ],
  ])('of %s%s', async (name, query, status, message, body) => {
    await site.ask('POST', '/services/create', service('web', 'a'));
    const answer = await site.ask('POST', `/services/${name}/update${query}`, body);
    expect(answer).toMatchObject({
      status,
      json: { message: typeof message === 'string' ? message : expect.stringMatching(message) },
    });
  });

  test('looks for networks before anything else', async () => {
    const TaskTemplate = { Networks: [{ Target: 'nope' }] };
    const answer = await site.ask('POST', '/services/create', { Name: 'x', TaskTemplate });
    expect(answer).toMatchObject({ status: 500, json: { message: 'network nope not found' } });
  });
});

describe('volumes of the cluster', () => {
  const cluster = { Name: 'v', ClusterVolumeSpec: { AccessMode: {} } };

  test('are refused by a manager', async () => {
    await init();
    const refused = { status: 501, json: { message: expect.stringMatching(/not supported/) } };
    expect(await site.ask('POST', '/volumes/create', cluster)).toMatchObject(refused);
    expect(await site.ask('PUT', '/volumes/v?version=1', {})).toMatchObject(refused);
    expect(asked).toEqual([]);
  });

  test('are nothing that other hosts or older clients know', async () => {
    expect(await site.ask('POST', '/volumes/create', cluster)).toMatchObject({ status: 201 });
    expect(await site.ask('PUT', '/volumes/v?version=1', {})).toMatchObject({ status: 503 });
    await init();
    expect(await site.ask('POST', '/v1.41/volumes/create', cluster)).toMatchObject({ status: 201 });
    expect(await site.ask('POST', '/volumes/create', { Name: 'v' })).toMatchObject({ status: 201 });
  });
});

describe('with an engine that refuses versions before 1.44', () => {
  const engine = createServer(({ url = '' }, response) => {
    const [, minor] = /^\/v1\.(\d+)\//.exec(url) ?? [];
    const isRefused = minor !== undefined && Number(minor) < 44;
    response.writeHead(isRefused ? 400 : 200, { 'api-version': '1.52' });
    if (isRefused) response.end('{"message":"too old"}');
    else if (url === '/version') response.end('{"ApiVersion":"1.52","MinAPIVersion":"1.44"}');
    else response.end(url.includes('/events') ? '' : '[]');
  });
  let newest: FakeSite;
  beforeEach(async () => {
    newest = new FakeSite(engine);
    await newest.start();
    await newest.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  });
  afterEach(() => newest.close());

  test.each(['1.24', '1.41', '1.43', '1.44', '1.50'])(
    'clients of %s are served',
    async (spoken) => {
      for (const path of ['info', 'networks', 'events?since=1&until=2', 'containers/json'])
        expect(await newest.ask('GET', `/v${spoken}/${path}`)).toMatchObject({ status: 200 });
      const { json } = await newest.ask('GET', `/v${spoken}/version`);
      expect(json).toMatchObject({ ApiVersion: '1.50', MinAPIVersion: '1.24' });
    },
  );
});

test('a secret with a template needs a client of 1.37', async () => {
  const body = { Name: 'a', Data: 'eA==', Templating: { Name: 'golang' } };
  expect(await site.ask('POST', '/v1.36/secrets/create', body)).toMatchObject({
    status: 400,
    json: { message: 'secret templating is not supported on the specified API version: 1.36' },
  });
  await init();
  expect(await site.ask('POST', '/v1.37/secrets/create', body)).toMatchObject({ status: 201 });
});
