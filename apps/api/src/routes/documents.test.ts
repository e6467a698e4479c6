import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { requireManager } from '../cluster/access.ts';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
});
afterEach(() => site.close());

const fail = (status: number, message: string): object => ({ status, json: { message } });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface Read {
  readonly ID: string;
  readonly Version: { readonly Index: number };
}

async function create(kind: 'secret' | 'config', Name: string, more: object = {}): Promise<string> {
  const body = { Name, Labels: {}, Data: base64('content'), ...more };
  const answer = await site.ask('POST', `/v1.50/${kind}s/create`, body);
  expect(answer).toMatchObject({ status: 201 });
  return (answer.json as Read).ID;
}

describe.each(['secret', 'config'] as const)('%s', (kind) => {
  test('is created, listed, read by id, name and start of the id, relabelled and removed', async () => {
    const id = await create(kind, 'one', { Labels: { a: 'b' } });
    expect(id).toMatch(/^[a-z0-9]{25}$/);
    await create(kind, 'two');
    for (const ref of [id, 'one', id.slice(0, 12)]) {
      const read = await site.ask('GET', `/${kind}s/${ref}`);
      expect(read.json).toMatchObject({ ID: id, Spec: { Name: 'one', Labels: { a: 'b' } } });
    }
    const filters = encodeURIComponent(JSON.stringify({ label: { 'a=b': true } }));
    expect((await site.ask('GET', `/${kind}s?filters=${filters}`)).json).toHaveLength(1);
    expect((await site.ask('GET', `/${kind}s`)).json).toHaveLength(2);

    const { Version } = (await site.ask('GET', `/${kind}s/one`)).json as Read;
    const update = `/${kind}s/${id}/update`;
    const labelled = { Name: 'one', Labels: { up: 'yes' }, Data: base64('content') };
    const url = `${update}?version=${Version.Index}`;
    expect((await site.ask('POST', url, labelled)).status).toBe(200);
    expect(await site.ask('POST', url, labelled)).toMatchObject(
      fail(500, 'rpc error: code = Unknown desc = update out of sequence'),
    );
    expect(await site.ask('POST', update, labelled)).toMatchObject(
      fail(400, `invalid ${kind} version`),
    );
    const read = (await site.ask('GET', `/${kind}s/one`)).json as Read;
    expect(read).toMatchObject({ Spec: { Labels: { up: 'yes' } } });
    const changed = { ...labelled, Data: base64('other') };
    const newest = `${update}?version=${read.Version.Index}`;
    expect(await site.ask('POST', newest, changed)).toMatchObject(
      fail(400, 'rpc error: code = InvalidArgument desc = only updates to Labels are allowed'),
    );

    expect(await site.ask('DELETE', `/${kind}s/one`)).toMatchObject({ status: 204, text: '' });
    for (const method of ['GET', 'DELETE'])
      expect(await site.ask(method, `/${kind}s/one`)).toMatchObject(
        fail(404, `${kind} one not found`),
      );
  });

  test('has a name of its own', async () => {
    await create(kind, 'one');
    const again = { Name: 'one', Data: base64('x') };
    expect(await site.ask('POST', `/${kind}s/create`, again)).toMatchObject(
      fail(409, `rpc error: code = AlreadyExists desc = ${kind} one already exists`),
    );
    const inCapitals = { Name: 'ONE', Data: base64('x') };
    expect(await site.ask('POST', `/${kind}s/create`, inCapitals)).toMatchObject(
      fail(409, `rpc error: code = AlreadyExists desc = ${kind} ONE already exists`),
    );
    expect(await site.ask('GET', `/${kind}s/ONE`)).toMatchObject({ status: 404 });
  });

  test('stays while a service names it', async () => {
    const id = await create(kind, 'one');
    const [list, idKey, nameKey] =
      kind === 'secret'
        ? (['Secrets', 'SecretID', 'SecretName'] as const)
        : (['Configs', 'ConfigID', 'ConfigName'] as const);
    const reference = (ref: string) => ({
      ...{ [idKey]: ref, [nameKey]: 'one' },
      File: { Name: 'one', UID: '0', GID: '0', Mode: 0o444 },
    });
    const service = (Name: string, ref: string) => ({
      Name,
      TaskTemplate: { ContainerSpec: { Image: 'busybox', [list]: [reference(ref)] } },
    });
    expect(await site.ask('POST', '/services/create', service('web', 'nope'))).toMatchObject(
      fail(400, `rpc error: code = InvalidArgument desc = ${kind} not found: one`),
    );
    expect((await site.ask('POST', '/services/create', service('web', id))).status).toBe(201);
    const read = await site.ask('GET', '/services/web');
    expect(read.json).toMatchObject({
      Spec: { TaskTemplate: { ContainerSpec: { [list]: [reference(id)] } } },
    });
    const used = (services: string) =>
      fail(
        400,
        `rpc error: code = InvalidArgument desc = ${kind} 'one' is in use by the following ${services}`,
      );
    expect(await site.ask('DELETE', `/${kind}s/one`)).toMatchObject(used('service: web'));
    await site.ask('POST', '/services/create', service('www', id));
    expect(await site.ask('DELETE', `/${kind}s/one`)).toMatchObject(used('services: web, www'));
    await site.ask('DELETE', '/services/web');
    await site.ask('DELETE', '/services/www');
    expect((await site.ask('DELETE', `/${kind}s/one`)).status).toBe(204);
  });
});

test('the content of a secret is in no answer and in nothing that is stored; that of a config is', async () => {
  await create('secret', 'one', { Data: base64('hush-hush') });
  await create('config', 'two', { Data: base64('aloud') });
  const stored = JSON.stringify([...requireManager(site.host).replica.view.secrets.values()]);
  const answers = await Promise.all(
    ['/secrets', '/secrets/one'].map((url) => site.ask('GET', url)),
  );
  for (const text of [stored, ...answers.map((answer) => answer.text)])
    for (const content of ['hush-hush', base64('hush-hush')]) expect(text).not.toContain(content);
  expect((await site.ask('GET', '/configs/two')).json).toMatchObject({
    Spec: { Data: base64('aloud') },
  });
});

describe.each(['secret', 'config'] as const)('a %s whose content may change', (kind) => {
  const versioned = { 'shoal.versioned': 'true' };
  const [list, idKey, nameKey] =
    kind === 'secret'
      ? (['Secrets', 'SecretID', 'SecretName'] as const)
      : (['Configs', 'ConfigID', 'ConfigName'] as const);
  const read = async (ref: string): Promise<Read> =>
    (await site.ask('GET', `/${kind}s/${ref}`)).json as Read;
  const update = async (ref: string, body: object) => {
    const { ID, Version } = await read(ref);
    return site.ask('POST', `/${kind}s/${ID}/update?version=${Version.Index}`, body);
  };
  const content = (text: string, Labels: object = versioned) => ({
    ...{ Name: 'page', Labels },
    Data: base64(text),
  });
  const names = async (): Promise<readonly string[]> =>
    ((await site.ask('GET', `/${kind}s`)).json as { readonly Spec: { readonly Name: string } }[])
      .map(({ Spec }) => Spec.Name)
      .sort();
  const give = async (ref: string) => {
    const { ID } = await read(ref);
    const File = { Name: 'page', UID: '0', GID: '0', Mode: 0o444 };
    const reference = { [idKey]: ID, [nameKey]: 'page', File };
    const ContainerSpec = { Image: 'busybox', [list]: [reference] };
    return { Name: 'web', TaskTemplate: { ContainerSpec } };
  };

  test('gives its name to the new one, and goes on under another', async () => {
    const first = await create(kind, 'page');
    expect(await site.ask('POST', '/services/create', await give('page'))).toMatchObject({
      status: 201,
    });
    expect(await update('page', content('second'))).toMatchObject({ status: 200, text: '' });
    const second = await read('page');
    expect(second).toMatchObject({ Spec: { Name: 'page', Labels: versioned } });
    expect(second.ID).not.toBe(first);
    expect(await read(first)).toMatchObject({
      Spec: { Name: 'page.1', Labels: { 'shoal.version-of': 'page' } },
    });
    if (kind === 'config') {
      expect(await read('page')).toMatchObject({ Spec: { Data: base64('second') } });
      expect(await read('page.1')).toMatchObject({ Spec: { Data: base64('content') } });
    }
    // What is there already is no new content.
    expect((await update('page', content('second'))).status).toBe(200);
    expect((await read('page')).ID).toBe(second.ID);
    expect(await site.ask('DELETE', `/${kind}s/page.1`)).toMatchObject({ status: 400 });
  });

  test('keeps what a service and its revisions need, and no more', async () => {
    await create(kind, 'page');
    await site.ask('POST', '/services/create', await give('page'));
    for (const text of ['second', 'third', 'fourth']) await update('page', content(text));
    expect(await names()).toEqual(['page', 'page.1', 'page.3']);
    await update('page', content('fifth'));
    expect(await names()).toEqual(['page', 'page.1', 'page.4']);
  });

  test('is refused what would be wrong of a new one, and changes nothing', async () => {
    const id = await create(kind, 'page');
    const refused = async (ref: string, body: object, message: string) => {
      expect(await update(ref, body)).toMatchObject({
        status: 400,
        json: { message: expect.stringContaining(message) },
      });
    };
    const labelsOnly = 'only updates to Labels are allowed';
    await refused('page', content('second', {}), labelsOnly);
    await refused('page', content('second', { 'shoal.versioned': 'false' }), labelsOnly);
    await refused('page', { ...content('second'), Name: 'other' }, labelsOnly);
    await refused('page', content('second', { 'shoal.versioned': 'on' }), 'true or false');
    const large = 'x'.repeat(1_024_000);
    await refused('page', content(large), `${kind} data must be larger than 0 and less than`);
    expect(await names()).toEqual(['page']);
    expect((await read('page')).ID).toBe(id);
    await update('page', content('second'));
    await refused('page.1', { ...content('third'), Name: 'page.1' }, labelsOnly);
    const late = await site.ask('POST', `/${kind}s/page/update?version=1`, content('third'));
    expect(late).toMatchObject(
      fail(500, 'rpc error: code = Unknown desc = update out of sequence'),
    );
    expect(await names()).toEqual(['page', 'page.1']);
  });
});
