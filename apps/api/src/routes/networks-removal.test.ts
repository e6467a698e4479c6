import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail, hex, local, NetworkSite, service } from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
});
afterEach(() => site.close());

describe('a network that is removed', () => {
  beforeEach(async () => {
    await site.init();
  });

  test('is gone; the host’s own are the engine’s to remove, and the twins stay', async () => {
    const id = await site.create('demo');
    expect((await site.ask('DELETE', '/networks/demo')).status).toBe(204);
    expect(site.view.networks.get(id)).toBeUndefined();
    expect(await site.ask('DELETE', '/networks/mine')).toMatchObject({ status: 204 });
    expect(site.engine.done).toEqual([{ call: 'DELETE /networks/mine', body: null }]);
    const twin = site.view.networks.byName('bridge')?.id;
    expect(await site.ask('DELETE', `/networks/${twin}`)).toMatchObject(
      fail(403, 'bridge is a pre-defined network and cannot be removed'),
    );
  });

  test('is refused while a service or a container is in it', async () => {
    const id = await site.create('demo', { Attachable: true });
    site.allocate(id, '10.0.9', 4_101);
    const inUse = (by: string) =>
      fail(400, `rpc error: code = FailedPrecondition desc = network ${id} is in use by ${by}`);
    const serviceId = await site.serve('web', {}, { Networks: [{ Target: 'demo' }] });
    expect(await site.ask('DELETE', `/networks/${id}`)).toMatchObject(
      inUse(`service ${serviceId}`),
    );
    await site.ask('DELETE', '/services/web');
    const [node] = site.view.nodes.values();
    const meta = site.networkOf(id).meta;
    const object = {
      id: 'run-by-hand',
      meta,
      networkId: id,
      nodeId: node?.id ?? '',
      kind: 'container' as const,
      addresses: ['10.0.9.9/24'],
    };
    site.host.log.write([{ op: 'create', table: 'attachment', object }]);
    expect(await site.ask('DELETE', '/networks/demo')).toMatchObject(inUse('task run-by-hand'));
  });

  test('waits for containers that are stopping, as stack rm needs it', async () => {
    const id = await site.create('demo');
    site.allocate(id, '10.0.9', 4_101);
    const serviceId = await site.serve('web', {}, { Networks: [{ Target: 'demo' }] });
    const task = site.addTask(serviceId, id);
    await site.ask('DELETE', '/services/web');
    let answered = false;
    const removal = site.ask('DELETE', '/networks/demo').finally(() => {
      answered = true;
    });
    await site.ask('GET', '/networks/demo');
    expect(answered).toBe(false);
    expect(site.view.networks.get(id)).toBeDefined();
    const now = site.view.tasks.get(task.id);
    if (now === undefined) throw new Error('no task');
    const status = { ...now.status, state: 'shutdown' as const };
    site.host.log.write([
      { op: 'update', table: 'task', object: { ...now, desired: 'remove', status } },
    ]);
    expect((await removal).status).toBe(204);
    expect(site.view.networks.get(id)).toBeUndefined();
  });

  test.each([
    { task: 'of a service that is gone', gone: true, desired: 'running', network: true },
    { task: 'that is to be removed', gone: true, desired: 'remove', network: true },
    { task: 'that is told to stop', gone: false, desired: 'shutdown', network: true },
    { task: 'without an address there', gone: true, desired: 'remove', network: false },
  ] as const)('does not wait for a task $task on a node that is down', async (row) => {
    const id = await site.create('demo');
    site.allocate(id, '10.0.9', 4_101);
    const web = { Networks: [{ Target: 'demo' }] };
    const serviceId = await site.serve('web', {}, web);
    const { id: taskId } = site.addTask(serviceId, row.network ? id : undefined);
    if (row.gone) await site.ask('DELETE', '/services/web');
    else {
      const version = site.view.services.get(serviceId)?.meta.version;
      const path = `/services/${serviceId}/update?version=${version}`;
      expect((await site.ask('POST', path, service('web'))).status).toBe(200);
    }
    const task = site.view.tasks.get(taskId);
    const [node] = site.view.nodes.values();
    if (task === undefined || node === undefined) throw new Error('no task, or no node');
    site.host.log.write([
      { op: 'update', table: 'task', object: { ...task, desired: row.desired } },
    ]);
    const removal = site.ask('DELETE', '/networks/demo');
    const status = { ...node.status, state: 'down' as const };
    site.host.log.write([{ op: 'update', table: 'node', object: { ...node, status } }]);
    expect((await removal).status).toBe(204);
    expect(site.view.networks.get(id)).toBeUndefined();
    expect(site.view.tasks.get(taskId)).toMatchObject({ status: { state: 'orphaned' } });
    expect(site.view.addresses(id).holder('10.0.9.5')).toBeUndefined();
  });

  test('ends more tasks on a node that is down than fit into one transaction', async () => {
    const id = await site.create('demo');
    const serviceId = await site.serve('web', {}, { Networks: [{ Target: 'demo' }] });
    site.allocate(id, '10.0.9', 4_101);
    const { status, ...first } = site.addTask(serviceId, id);
    const tasks = Array.from({ length: 2_500 }, (_, at) => ({
      ...first,
      id: `t${at}`.padEnd(25, 'x'),
      slot: at + 2,
      status: { ...status, err: `task ${at} says why `.repeat(50) },
      networks: [{ networkId: id, addresses: [] }],
    }));
    for (let at = 0; at < tasks.length; at += 1_000)
      site.host.log.write(
        tasks
          .slice(at, at + 1_000)
          .map((object) => ({ op: 'create', table: 'task', object }) as const),
      );
    await site.ask('DELETE', '/services/web');
    const [node] = site.view.nodes.values();
    if (node === undefined) throw new Error('no node');
    const down = { ...node.status, state: 'down' as const };
    site.host.log.write([{ op: 'update', table: 'node', object: { ...node, status: down } }]);
    expect((await site.ask('DELETE', '/networks/demo')).status).toBe(204);
    expect(site.view.networks.get(id)).toBeUndefined();
    expect([...site.view.tasks.byState('orphaned')]).toHaveLength(2_501);
  });

  test('is refused while a task on a node that is down is to run', async () => {
    const id = await site.create('demo');
    site.allocate(id, '10.0.9', 4_101);
    const serviceId = await site.serve('web', {}, { Networks: [{ Target: 'demo' }] });
    const task = site.addTask(serviceId, id);
    const version = site.view.services.get(serviceId)?.meta.version;
    await site.ask('POST', `/services/${serviceId}/update?version=${version}`, service('web'));
    const [node] = site.view.nodes.values();
    if (node === undefined) throw new Error('no node');
    const status = { ...node.status, state: 'down' as const };
    site.host.log.write([{ op: 'update', table: 'node', object: { ...node, status } }]);
    expect((await site.ask('DELETE', '/networks/demo')).text).toContain(
      `in use by task ${task.id}`,
    );
    expect(site.view.tasks.get(task.id)?.status.state).toBe('running');
  });

  test('and is the ingress network: refused while a service publishes, else gone for good', async () => {
    const ports = { EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8_080 }] } };
    const serviceId = await site.serve('web', ports);
    expect(await site.ask('DELETE', '/networks/ingress')).toMatchObject(
      fail(
        400,
        `rpc error: code = FailedPrecondition desc = ingress network cannot be removed because service ${serviceId} depends on it`,
      ),
    );
    await site.ask('DELETE', '/services/web');
    expect((await site.ask('DELETE', '/networks/ingress')).status).toBe(204);
    expect(site.view.cluster?.ingressMade).toBe(true);
    expect(await site.ask('POST', '/services/create', service('web', ports))).toMatchObject(
      fail(
        400,
        'rpc error: code = FailedPrecondition desc = service needs ingress network, but no ingress network is present',
      ),
    );
    const own = await site.create('my-ingress', { Ingress: true });
    expect(site.view.networks.ingress?.id).toBe(own);
  });

  test('with all others that nothing uses, by prune', async () => {
    await site.create('used');
    await site.create('unused');
    await site.create('kept', { Labels: { keep: '' } });
    await site.serve('web', {}, { Networks: [{ Target: 'used' }] });
    site.engine.networks = [
      ...site.engine.networks,
      local('busy', hex('7')),
      local('kept-here', hex('8'), { Labels: { keep: '' } }),
    ];
    site.standIn('u'.repeat(25), 'left');
    site.engine.busy.add(hex('7'));
    const filters = encodeURIComponent(JSON.stringify({ 'label!': { keep: true } }));
    const answer = await site.ask('POST', `/networks/prune?filters=${filters}`);
    expect(answer).toMatchObject({ status: 200, json: { NetworksDeleted: ['mine', 'unused'] } });
    expect(site.engine.done.map(({ call }) => call)).toEqual([
      `DELETE /networks/${hex('d')}`,
      `DELETE /networks/${hex('7')}`,
    ]);
  });

  test.each([
    ['10m', []],
    ['2099-01-01T00:00:00Z', ['mine', 'unused']],
    ['2020-01-01T00:00:00Z', []],
    ['2020-01-01', []],
    ['2099-01-01', ['mine', 'unused']],
    ['2099-01-01Z', ['mine', 'unused']],
    ['2099-01-01T02:35', ['mine', 'unused']],
    ['2099-01-01T02:35:27.5+01:00', ['mine', 'unused']],
    ['4070908800', ['mine', 'unused']],
  ])('by prune until %s', async (until, removed) => {
    await site.create('unused');
    const filters = encodeURIComponent(JSON.stringify({ until: [until] }));
    const { json } = await site.ask('POST', `/networks/prune?filters=${filters}`);
    expect((json as { NetworksDeleted: unknown }).NetworksDeleted ?? []).toEqual(removed);
  });

  test.each(['', 'x', '1d', '2099-13-01', '2099-01-01T02'])(
    'not by prune until %j: that is no time',
    async (until) => {
      await site.create('unused');
      const filters = encodeURIComponent(JSON.stringify({ until: [until] }));
      const answer = await site.ask('POST', `/networks/prune?filters=${filters}`);
      const message = `failed to parse value as time or duration: ${JSON.stringify(until)}`;
      expect(answer).toMatchObject({ status: 500, json: { message } });
      expect(site.engine.done).toEqual([]);
    },
  );
});
