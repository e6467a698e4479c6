import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskDocument } from '@shoal/proto';
import type { ContainerSpec, NodeDescription, TaskAssignment } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PreparedFiles, TaskFiles } from './task-files.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'task-files-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const node: NodeDescription = {
  Hostname: 'host-1',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '28.0.0', Plugins: [] },
};
const file = (Name: string, Mode = 0o444) => ({ Name, UID: '0', GID: '0', Mode });
const documentOf = (kind: string, id: string, text: string, templating = ''): TaskDocument => ({
  ...{ kind, id, name: id, templating },
  data: Buffer.from(text),
});

function assignment(spec: Partial<ContainerSpec>): TaskAssignment {
  return {
    ...{ taskId: 't1', serviceId: 's1', serviceName: 'web', serviceLabels: {}, slot: 2 },
    ...{ nodeId: 'n1', desired: 'running', hostPorts: [], localNetworks: [] },
    template: { ContainerSpec: { Image: 'busybox', ...spec }, ForceUpdate: 0 },
  };
}

function filesWith(documents: readonly TaskDocument[] | Error, fault?: string): TaskFiles {
  return new TaskFiles({
    folder: async () =>
      fault === undefined ? { kind: 'folder', path: folder } : { kind: 'none', message: fault },
    fetch: async () => {
      if (documents instanceof Error) throw documents;
      return documents;
    },
  });
}

/** The config `page` as the container finds it. */
async function pageOf(prepared: PreparedFiles): Promise<Buffer> {
  if (prepared.kind !== 'ready') throw new Error(prepared.message);
  return readFile(prepared.assignment.template.ContainerSpec.Mounts?.at(-1)?.Source ?? '');
}

/** A text as its bytes, each a character. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}

const given = assignment({
  Env: ['COLOUR=blue'],
  Mounts: [{ Type: 'volume', Source: 'data', Target: '/data' }],
  Secrets: [
    { SecretID: 'x1', SecretName: 'password', File: file('password', 0o400) },
    { SecretID: 'x1', SecretName: 'password', File: file('/etc/password') },
  ],
  Configs: [{ ConfigID: 'f1', ConfigName: 'page', File: file('page') }],
});

describe('what a task is given', () => {
  test('lies in files that its container mounts, with the mode asked for', async () => {
    const files = filesWith([
      documentOf('secret', 'x1', 'hush'),
      documentOf('config', 'f1', 'hello'),
    ]);
    const prepared = await files.prepare(given, node);
    if (prepared.kind !== 'ready') throw new Error(prepared.message);
    const mounts = prepared.assignment.template.ContainerSpec.Mounts ?? [];
    expect(mounts.map(({ Target }) => Target)).toEqual([
      '/data',
      '/run/secrets/password',
      '/etc/password',
      '/page',
    ]);
    const sources = mounts.slice(1).map(({ Source }) => Source ?? '');
    const contents = await Promise.all(sources.map((path) => readFile(path, 'utf8')));
    expect(contents).toEqual(['hush', 'hush', 'hello']);
    const modes = await Promise.all(sources.map(async (path) => (await stat(path)).mode & 0o777));
    expect(modes).toEqual([0o400, 0o444, 0o444]);
    expect(mounts.slice(1).every(({ Type, ReadOnly }) => Type === 'bind' && ReadOnly)).toBe(true);

    await files.remove('t1');
    expect(await readdir(folder)).toEqual([]);
  });

  test('is expanded for the task where it is a template', async () => {
    const text =
      '{{.Service.Name}}.{{.Task.Slot}} on {{.Node.Hostname}}: {{env "COLOUR"}} {{secret "password"}}{{env "NONE"}}';
    const files = filesWith([
      documentOf('secret', 'x1', 'hush'),
      documentOf('config', 'f1', text, 'golang'),
    ]);
    const prepared = await files.prepare(given, node);
    if (prepared.kind !== 'ready') throw new Error(prepared.message);
    const page = prepared.assignment.template.ContainerSpec.Mounts?.at(-1)?.Source ?? '';
    expect(await readFile(page, 'utf8')).toBe('web.2 on host-1: blue hush');
  });

  test('is expanded with the variables as the container gets them', async () => {
    const files = filesWith([
      documentOf('secret', 'x1', 'hush'),
      documentOf('config', 'f1', '{{env "WHERE"}} {{env "DOCKER_RESOURCE_GPU"}}', 'golang'),
    ]);
    const spec = { ...given.template.ContainerSpec, Env: ['WHERE=on {{.Node.Hostname}}'] };
    const GenericResources = [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }];
    const Resources = { Reservations: { GenericResources } };
    const template = { ...given.template, ContainerSpec: spec, Resources };
    const page = await pageOf(await files.prepare({ ...given, template }, node));
    expect(page.toString()).toBe('on host-1 2');
  });

  test.each<[what: string, text: string, secret: string, expected: string]>([
    ['text of another encoding', 'gr\xfc\xdfe {{env "COLOUR"}}', 'hush', 'gr\xfc\xdfe blue'],
    ['a secret that is no text', '{{secret "password"}}', 'p\xff\xe4q', 'p\xff\xe4q'],
    [
      'both beside text of people',
      `\xff{{secret "password"}}{{index .Service.Labels "${utf8('größe')}"}}`,
      '\xfe',
      `\xff\xfe${utf8('weiß')}`,
    ],
    ['an unused secret that is no text', '{{printf "%c" 8364}}', '\xff', utf8('€')],
  ])('keeps its bytes where it is a template: %s', async (_what, text, secret, expected) => {
    const files = filesWith([
      { ...documentOf('secret', 'x1', ''), data: Buffer.from(secret, 'latin1') },
      { ...documentOf('config', 'f1', '', 'golang'), data: Buffer.from(text, 'latin1') },
    ]);
    const labelled = { ...given, serviceLabels: { größe: 'weiß' } };
    const page = await pageOf(await files.prepare(labelled, node));
    expect(page.toString('latin1')).toBe(expected);
  });

  test.each([
    ['{{secret "nope"}}', 'error calling secret: secret target nope not found'],
    ['{{.Nope}}', "can't evaluate field Nope"],
    ['{{', 'unclosed action'],
    ['{{secret "größe"}}', 'secret target größe not found'],
    ['{{secret "password"}}{{secret "größe"}}', 'secret target größe not found'],
  ])('is refused as the template %s', async (text, message) => {
    const files = filesWith([
      documentOf('secret', 'x1', 'hush'),
      documentOf('config', 'f1', text, 'golang'),
    ]);
    const prepared = await files.prepare(given, node);
    expect(prepared).toMatchObject({ kind: 'impossible' });
    expect(prepared).toMatchObject({ message: expect.stringContaining(message) });
  });

  test('is waited for while the managers cannot be asked', async () => {
    const prepared = await filesWith(new Error('no dispatcher')).prepare(given, node);
    expect(prepared).toEqual({
      kind: 'waiting',
      message: 'waits for secrets and configs: no dispatcher',
    });
  });

  test('is never written where the folder is not in memory', async () => {
    const files = filesWith([documentOf('secret', 'x1', 'hush')], 'on a disk');
    expect(await files.prepare(given, node)).toEqual({ kind: 'impossible', message: 'on a disk' });
    expect(await readdir(folder)).toEqual([]);
  });

  test('costs nothing where it is nothing', async () => {
    const bare = assignment({});
    const prepared = await filesWith(new Error('not to be asked')).prepare(bare, node);
    expect(prepared).toEqual({ kind: 'ready', assignment: bare });
  });
});

test.each([
  ['4294967295', '0'],
  ['0', '5000000000'],
])('a file for user %s and group %s can never be there', async (UID, GID) => {
  const File = { Name: '/page', UID, GID, Mode: 0o444 };
  const Configs = [{ ConfigID: 'c', ConfigName: 'c', File }];
  const files = filesWith([documentOf('config', 'c', 'text')]);
  expect(await files.prepare(assignment({ Configs }), node)).toEqual({
    kind: 'impossible',
    message: `config c cannot belong to ${UID}:${GID}: ids of users and groups end at 4294967294`,
  });
});

test('files of tasks that are no more are removed', async () => {
  const files = filesWith([
    documentOf('secret', 'x1', 'hush'),
    documentOf('config', 'f1', 'hello'),
  ]);
  await files.prepare(given, node);
  await files.prepare({ ...given, taskId: 't2' }, node);
  await files.keepOnly(new Set(['t2']));
  expect(await readdir(folder)).toEqual(['t2']);
});

test('files that are being written are those of their task', async () => {
  const files = filesWith([]);
  for (const name of ['t1.new', 't2', 't2.new']) await mkdir(join(folder, name));
  await files.keepOnly(new Set(['t1']));
  expect(await readdir(folder)).toEqual(['t1.new']);
  await files.remove('t1');
  expect(await readdir(folder)).toEqual([]);
});
