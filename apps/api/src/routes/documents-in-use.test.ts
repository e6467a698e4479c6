import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetworkSite } from '../testing/fake-networks.ts';

let site: NetworkSite;
let Mode: object;

beforeEach(async () => {
  site = new NetworkSite();
  Mode = { Replicated: { Replicas: 1 } };
  await site.start();
  await site.init();
});
afterEach(() => site.close());

async function create(kind: 'secrets' | 'configs', Name: string): Promise<string> {
  const body = { Name, Data: Buffer.from(Name).toString('base64') };
  const { json } = await site.ask('POST', `/${kind}/create`, body);
  return (json as { ID: string }).ID;
}

const file = { Name: 'page', UID: '0', GID: '0', Mode: 292 };
const spec = (kind: 'secrets' | 'configs', id: string, name: string, Labels: object) => ({
  Name: 'web',
  Mode,
  Labels,
  TaskTemplate: {
    ContainerSpec: {
      Image: 'busybox:1',
      ...(kind === 'secrets'
        ? { Secrets: [{ SecretID: id, SecretName: name, File: file }] }
        : { Configs: [{ ConfigID: id, ConfigName: name, File: file }] }),
    },
  },
});

test.each(['secrets', 'configs'] as const)(
  '%s are in use as long as tasks stay at them that wait for a canary',
  async (kind) => {
    const [old, next] = [await create(kind, 'old'), await create(kind, 'next')];
    const made = await site.ask('POST', '/services/create', spec(kind, old, 'old', {}));
    const { ID } = made.json as { ID: string };
    site.addTask(ID);
    const update = async (labels: object): Promise<void> => {
      const { json } = await site.ask('GET', '/services/web');
      const { Version } = json as { Version: { Index: number } };
      const path = `/services/web/update?version=${Version.Index}`;
      expect(await site.ask('POST', path, spec(kind, next, 'next', labels))).toMatchObject({
        status: 200,
      });
    };
    await update({ 'shoal.update.canary': '1' });
    expect(await site.ask('DELETE', `/${kind}/old`)).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining("'old' is in use by the following service: web") },
    });
    await update({});
    expect(await site.ask('DELETE', `/${kind}/old`)).toMatchObject({ status: 204 });
    expect(await site.ask('DELETE', `/${kind}/next`)).toMatchObject({ status: 400 });
  },
);

test.each(['secrets', 'configs'] as const)(
  '%s are in use by what comes back with a drained node and waits for a canary then',
  async (kind) => {
    Mode = { Global: {} };
    const [old, next] = [await create(kind, 'old'), await create(kind, 'next')];
    const made = await site.ask('POST', '/services/create', spec(kind, old, 'old', {}));
    const { ID } = made.json as { ID: string };
    const task = site.addTask(ID);
    const [node] = site.view.nodes.values();
    const known = site.view.tasks.get(task.id);
    if (node === undefined || known === undefined) throw new Error('no task on the node');
    const version = site.view.services.get(ID)?.meta.version;
    const update = `/services/web/update?version=${version}`;
    const canary = spec(kind, next, 'next', { 'shoal.update.canary': '1' });
    expect(await site.ask('POST', update, canary)).toMatchObject({ status: 200 });
    const drained = { ...node, spec: { ...node.spec, Availability: 'drain' as const } };
    site.host.log.write([
      { op: 'update', table: 'node', object: drained },
      { op: 'update', table: 'task', object: { ...known, desired: 'shutdown' } },
    ]);
    expect(await site.ask('DELETE', `/${kind}/old`)).toMatchObject({
      status: 400,
      json: { message: expect.stringContaining("'old' is in use by the following service: web") },
    });
  },
);
