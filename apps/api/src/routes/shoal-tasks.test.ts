import type { Task } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetworkSite, service } from '../testing/fake-networks.ts';

let site: NetworkSite;
let task: Task;

beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
  await site.init();
});
afterEach(() => site.close());

async function serve(spec: object = {}): Promise<void> {
  task = site.addTask(await site.serve('web', spec));
}

const restart = (ref: string) => site.ask('POST', `/shoal/v1/tasks/${ref}/restart`);

describe('the restart of a task', () => {
  test.each([
    ['its place', () => 'web.1'],
    ['its id', () => task.id],
    ['its name', () => `web.1.${task.id}`],
  ])('by %s tells it to stop, and leaves the rest to the orchestrator', async (_what, ref) => {
    await serve();
    expect(await restart(ref())).toMatchObject({ status: 200, json: { ID: task.id } });
    expect(site.view.tasks.get(task.id)).toMatchObject({
      desired: 'shutdown',
      status: { state: 'running' },
    });
    expect(await restart(task.id)).toMatchObject({
      status: 409,
      json: {
        message: `task web.1.${task.id} is over, or about to be: name the one in its place`,
      },
    });
  });

  test('is refused where nothing would take its place', async () => {
    await serve({
      TaskTemplate: { ContainerSpec: { Image: 'a' }, RestartPolicy: { Condition: 'none' } },
    });
    expect(await restart('web.1')).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining('--restart-condition none') },
    });
    expect(site.view.tasks.get(task.id)?.desired).toBe('running');
  });

  test.each([
    ['none', 'any', 409],
    ['any', 'none', 200],
  ])(
    'while a canary runs is by the policy of the others: %s, then %s',
    async (before, now, status) => {
      const spec = (Condition: string, Labels: object) => ({
        Labels,
        TaskTemplate: { ContainerSpec: { Image: 'a' }, RestartPolicy: { Condition } },
      });
      await serve(spec(before, {}));
      const version = site.view.services.get(task.serviceId)?.meta.version;
      const path = `/services/${task.serviceId}/update?version=${version}`;
      const updated = service('web', spec(now, { 'shoal.update.canary': '1' }));
      expect(await site.ask('POST', path, updated)).toMatchObject({ status: 200 });
      expect(await restart(task.id)).toMatchObject({ status });
    },
  );

  test('is refused on a paused node, where a global service begins nothing new', async () => {
    await serve({ Mode: { Global: {} } });
    for (const node of site.view.nodes.values()) {
      const object = { ...node, spec: { ...node.spec, Availability: 'pause' as const } };
      site.host.log.write([{ op: 'update', table: 'node', object }]);
    }
    expect(await restart(task.id)).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining('is paused') },
    });
    expect(site.view.tasks.get(task.id)?.desired).toBe('running');
  });

  test('is refused for jobs', async () => {
    await serve({ Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } } });
    expect(await restart('web.1')).toMatchObject({
      status: 409,
      json: { message: expect.stringContaining('docker service update --force web') },
    });
  });

  test('of a global service is refused by a hostname that several nodes have', async () => {
    await serve({ Mode: { Global: {} } });
    const [node] = site.view.nodes.values();
    if (node === undefined) throw new Error('no node');
    const description = {
      Hostname: 'twin',
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 1, MemoryBytes: 1 },
      Engine: { EngineVersion: '29', Plugins: [] },
    };
    const id = 'w'.repeat(25);
    const spec = { ...node.spec, Role: 'worker' as const };
    const twin = { ...node, id, spec, role: spec.Role, manager: undefined, description };
    site.host.log.write([
      { op: 'update', table: 'node', object: { ...node, description } },
      { op: 'create', table: 'node', object: twin },
      { op: 'create', table: 'task', object: { ...task, id: 'u'.repeat(25), nodeId: id } },
    ]);
    expect(await restart('web.twin')).toMatchObject({
      status: 400,
      json: { message: 'node twin is ambiguous (2 matches found)' },
    });
    expect(await restart(`web.${node.id}`)).toMatchObject({ json: { ID: task.id } });
  });

  test.each(['web.2', 'nothing.1', 'x'])('of %s finds nothing', async (ref) => {
    await serve();
    expect(await restart(ref)).toMatchObject({ status: 404 });
  });
});
