import type { Replica } from '@shoal/stage';
import type { Change } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SpecHistory } from '../cluster/spec-history.ts';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

interface Read {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: object;
}

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
  const spec = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'busybox' } } };
  await site.ask('POST', '/services/create', spec);
});
afterEach(() => site.close());

function there<T>(object: T | undefined): T {
  if (object === undefined) throw new Error('it is not there');
  return object;
}
const nodeNow = () => there([...site.host.log.view.nodes.values()][0]);
const serviceNow = () => there(site.host.log.view.services.byName('web'));
const clusterNow = () => there(site.host.log.view.cluster);

/** What people read, how the stages write to it, and what is unlike the read spec. */
const objects = {
  node: {
    path: () => `/nodes/${nodeNow().id}`,
    written: (): Change => {
      const { status, ...node } = nodeNow();
      const object = { ...node, status: { ...status, message: `${node.meta.version}` } };
      return { op: 'update', table: 'node', object };
    },
    changed: { Labels: { disk: 'ssd' } },
    query: '',
  },
  service: {
    path: () => '/services/web',
    written: (): Change => {
      const message = `${serviceNow().meta.version}`;
      const updateStatus = { state: 'updating', startedAt: 0, message } as never;
      return { op: 'update', table: 'service', object: { ...serviceNow(), updateStatus } };
    },
    changed: { Labels: { tier: 'front' } },
    query: '',
  },
  swarm: {
    path: () => '/swarm',
    written: (): Change => {
      const removedNodes = { [`n${clusterNow().meta.version}`]: 0 as never };
      return { op: 'update', table: 'cluster', object: { ...clusterNow(), removedNodes } };
    },
    changed: { Labels: { room: 'one' } },
    query: '',
  },
  'tokens of the swarm': {
    path: () => '/swarm',
    written: (): Change => objects.swarm.written(),
    changed: {},
    query: '&rotateWorkerToken=true',
  },
} as const;

const names = Object.keys(objects) as (keyof typeof objects)[];

async function read(name: keyof typeof objects): Promise<Read> {
  return (await site.ask('GET', objects[name].path())).json as Read;
}

async function update(name: keyof typeof objects, { Version, Spec }: Read) {
  const { path, changed, query } = objects[name];
  const url = `${path()}/update?version=${Version.Index}${query}`;
  return site.ask('POST', url, { ...Spec, ...changed });
}

const refused = {
  status: 500,
  json: { message: 'rpc error: code = Unknown desc = update out of sequence' },
};

test.each(names)(
  'what a stage has written to the %s since it was read is no update',
  async (name) => {
    const before = await read(name);
    for (let times = 0; times < 2; times += 1) site.host.log.write([objects[name].written()]);
    expect(await update(name, before)).toMatchObject({ status: 200 });
    expect(await read(name)).toMatchObject({ Spec: objects[name].changed });
  },
);

test.each(names)('whoever read the %s before somebody’s update is refused', async (name) => {
  const before = await read(name);
  site.host.log.write([objects[name].written()]);
  const second = await read(name);
  expect(await update(name, second)).toMatchObject({ status: 200 });
  site.host.log.write([objects[name].written()]);
  for (const old of [before, second]) expect(await update(name, old)).toMatchObject(refused);
  const after = await read(name);
  const { log } = site.host;
  const { committed } = log;
  expect(
    await update(name, { ...after, Version: { Index: after.Version.Index + 1 } }),
  ).toMatchObject(refused);
  expect(log.committed).toBe(committed);
});

test.each(names)(
  'a new copy of the state knows the %s by its newest version alone',
  async (name) => {
    const before = await read(name);
    site.host.log.write([objects[name].written()]);
    const { standing } = site.host;
    if (standing.kind !== 'manager') throw new Error('no manager');
    const replica = site.host.log.replica();
    const specs = new SpecHistory(replica);
    site.host.standing = { kind: 'manager', manager: { ...standing.manager, replica, specs } };
    expect(await update(name, before)).toMatchObject(refused);
    const after = await read(name);
    site.host.log.write([objects[name].written()]);
    expect(await update(name, after)).toMatchObject({ status: 200 });
  },
);

test('whoever read another number of tasks than the load asks for by now is refused', async () => {
  const before = await read('service');
  const scaling = { replicas: 4, changedAt: 0 as never, reason: 'busy' };
  site.host.log.write([{ op: 'update', table: 'service', object: { ...serviceNow(), scaling } }]);
  expect(await update('service', before)).toMatchObject(refused);
});

/** The first two proposals come just after a stage has written; answers how many there were. */
function race(written: () => Change): () => number {
  const { standing, log } = site.host;
  if (standing.kind !== 'manager') throw new Error('no manager');
  const { replica } = standing.manager;
  let times = 0;
  const raced: Replica = {
    get view() {
      return replica.view;
    },
    ready: true,
    propose: (transactions) => {
      times += 1;
      if (times <= 2) log.write([written()]);
      return replica.propose(transactions);
    },
    catchUp: () => replica.catchUp(),
    subscribe: (listener) => replica.subscribe(listener),
  };
  site.host.standing = { kind: 'manager', manager: { ...standing.manager, replica: raced } };
  return () => times;
}

test.each(names)('what a stage writes to the %s while it is updated is kept', async (name) => {
  const before = await read(name);
  const times = race(objects[name].written);
  expect(await update(name, before)).toMatchObject({ status: 200 });
  expect(times()).toBe(3);
  expect(await read(name)).toMatchObject({ Spec: objects[name].changed });
});

test('what a stage writes to a service while it goes back is kept', async () => {
  expect(await update('service', await read('service'))).toMatchObject({ status: 200 });
  const times = race(objects.service.written);
  expect(await site.ask('POST', '/shoal/v1/services/web/rollback')).toMatchObject({
    status: 200,
    json: { From: 2, To: 1 },
  });
  expect(times()).toBe(3);
  expect((await read('service')).Spec).not.toMatchObject(objects.service.changed);
});

test('two that go back to what was before do not undo each other', async () => {
  expect(await update('service', await read('service'))).toMatchObject({ status: 200 });
  race(() => {
    const { revision, previousRevision, ...service } = serviceNow();
    const object = { ...service, revision: previousRevision ?? 0, previousRevision: revision };
    return { op: 'update', table: 'service', object };
  });
  expect(await site.ask('POST', '/shoal/v1/services/web/rollback')).toMatchObject(refused);
});

test('a demotion is judged by what the node is when it is written', async () => {
  const first = nodeNow();
  const spec = { ...first.spec, Role: 'manager' } as const;
  const { manager, ...worker } = first;
  for (const id of ['second', 'third'])
    site.host.log.write([{ op: 'create', table: 'node', object: { ...worker, id, spec } }]);
  const second = there(site.host.log.view.nodes.get('second'));
  const third = there(site.host.log.view.nodes.get('third'));
  site.host.log.write([{ op: 'update', table: 'node', object: { ...second, manager } }]);
  const { standing } = site.host;
  if (standing.kind !== 'manager') throw new Error('no manager');
  const quorum = async () => {
    site.host.log.write([{ op: 'update', table: 'node', object: { ...third, manager } }]);
    return standing.manager.quorum();
  };
  site.host.standing = { kind: 'manager', manager: { ...standing.manager, quorum } };
  const url = `/nodes/third/update?version=${third.meta.version}`;
  expect(await site.ask('POST', url, { ...spec, Role: 'worker' })).toMatchObject({
    status: 400,
    json: { message: expect.stringContaining('quorum') },
  });
});
