// What the engine asks of its driver, without kernel and without engine.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Attachments } from '../network/ports.ts';
import type { BuiltNetworks } from './built-networks.ts';
import { Plumbing } from './plumbing.ts';
import { Registry } from './registry.ts';
import { exampleNetwork, exampleOwn } from './testing/examples.ts';

const attachable = { ...exampleNetwork, id: 'network2', name: 'open', attachable: true };
const subnet = '10.0.1.0/24';
/** A namespace that is there: this process's own. */
const live = '/proc/self/ns/net';
const inUse = { kind: 'failed', message: 'Address already in use' };

/** Has every interface at once. */
class FakeBuilt implements Pick<BuiltNetworks, 'plug' | 'unplug' | 'programPeers'> {
  readonly plugged = new Set<string>();
  fails = false;
  plug: BuiltNetworks['plug'] = async (id) => {
    if (this.fails) return { kind: 'failed', message: 'no kernel' };
    this.plugged.add(id);
    return { kind: 'ok', device: `sc-${id}` };
  };
  unplug: BuiltNetworks['unplug'] = (_networkId, id) => {
    this.plugged.delete(id);
  };
  programPeers = (): void => undefined;
}

class FakeAttachments implements Attachments {
  readonly taken: (string | undefined)[] = [];
  readonly detached: string[] = [];
  attach: Attachments['attach'] = async (_networkId, wanted) => {
    this.taken.push(wanted);
    const number = this.taken.length;
    const addresses = [`${wanted ?? `10.0.1.${200 + number}`}/24`, `fd00:1::${number}/64`];
    return { kind: 'ok', attachmentId: `attachment${number}`, addresses };
  };
  readonly holding: string[] = [];
  held: Attachments['held'] = ({ endpointId }) => {
    this.holding.push(endpointId);
  };
  named = (): void => undefined;
  detach = (id: string): void => {
    this.detached.push(id);
  };
}

describe('what the engine asks', () => {
  let folder: string;
  let registry: Registry;
  let built: FakeBuilt;
  let attachments: FakeAttachments;
  let plumbing: Plumbing;
  let told: string[];

  const open = (): Promise<Registry> =>
    Registry.open(join(folder, 'agent', 'overlay.json'), systemClock, silentLogger);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-plumbing-'));
    registry = await open();
    registry.own = exampleOwn;
    registry.putNetwork(exampleNetwork);
    registry.putNetwork(attachable);
    registry.bind('engine1', 'network1');
    registry.bind('engine2', 'network2');
    built = new FakeBuilt();
    attachments = new FakeAttachments();
    told = [];
    plumbing = new Plumbing({
      registry,
      built: built as unknown as BuiltNetworks,
      attachments: () => attachments,
      changed: (id) => told.push(`changed ${id}`),
      activated: () => told.push('activated'),
      expected: () => undefined,
      unnamed: (id) => told.push(`unnamed ${id}`),
      dropped: (id) => told.push(`dropped ${id}`),
      left: (id) => told.push(`left ${id}`),
    });
    registry.planTask({
      taskId: 'task1',
      networks: [
        { networkId: 'network2', addresses: ['10.0.1.9/24'] },
        { networkId: 'network1', addresses: ['10.0.1.8/24'] },
      ],
      upstreams: ['192.0.2.53:53'],
    });
  });
  afterEach(async () => {
    await registry.durable();
    await rm(folder, { recursive: true });
  });

  function create(engineNetworkId: string, id: string, ...addresses: string[]): unknown {
    return plumbing.endpointCreated({ engineNetworkId, id, addresses, mac: '', nameservers: [] });
  }

  test('a task’s container joins, tells of itself, and goes', async () => {
    expect(create('engine1', 'e1', '10.0.1.8/24')).toEqual({
      kind: 'ok',
      value: '02:42:0a:00:01:08',
    });
    expect(await plumbing.join('e1', '/sandbox')).toEqual({
      kind: 'ok',
      value: { device: 'sc-e1', subnets: [] },
    });
    expect(registry.local('network1')).toEqual([
      {
        endpointId: 'task1',
        sandbox: '/sandbox',
        mac: '02:42:0a:00:01:08',
        addresses: ['10.0.1.8'],
        networks: ['network2', 'network1'],
        upstreams: ['192.0.2.53:53'],
      },
    ]);
    create('engine2', 'e2', '10.0.1.9/24');
    await plumbing.join('e2', '/sandbox');
    expect(told).toEqual(['changed network1', 'changed network1', 'changed network2']);
    plumbing.leave('e1');
    expect(registry.local('network1')).toEqual([]);
    plumbing.endpointDeleted('e1');
    expect(registry.endpoint('e1')).toBeUndefined();
    expect(told.at(-1)).toBe('left network1');
    expect(built.plugged).toEqual(new Set(['e2']));
  });

  test('an address that was given out again is the new task’s, though the old container is kept', async () => {
    const networks = [{ networkId: 'network1', addresses: ['10.0.1.8/24'] }];
    registry.planTask({ taskId: 'task2', networks, upstreams: [] });
    create('engine1', 'e1', '10.0.1.8/24');
    await plumbing.join('e1', '/sandbox');
    const [local] = registry.local('network1');
    expect(local).toMatchObject({ endpointId: 'task2', networks: ['network1'] });
    expect(local?.upstreams).toBeUndefined();
  });

  test('a container run by hand keeps the nameservers that its user gave, also over a restart', async () => {
    const addresses = ['10.0.1.7/24'];
    const given = { addresses, mac: '', nameservers: ['192.0.2.54', '2001:db8::1'] };
    plumbing.endpointCreated({ engineNetworkId: 'engine2', id: 'e3', ...given });
    await plumbing.join('e3', '/sandbox');
    await registry.durable();
    const later = await open();
    for (const each of [registry, later]) {
      expect(each.local('network2')).toMatchObject([
        { endpointId: 'e3', upstreams: ['192.0.2.54:53', '[2001:db8::1]:53'] },
      ]);
    }
  });

  test('what the kernel refuses is not joined', async () => {
    create('engine1', 'e1', '10.0.1.8/24');
    built.fails = true;
    expect(await plumbing.join('e1', '/sandbox')).toEqual({ kind: 'failed', message: 'no kernel' });
    expect(registry.joined('network1')).toEqual([]);
  });

  test('a container that went while its interface was made leaves none', async () => {
    create('engine1', 'e1', '10.0.1.8/24');
    const joining = plumbing.join('e1', '/sandbox');
    plumbing.endpointDeleted('e1');
    expect(await joining).toMatchObject({ kind: 'failed' });
    expect(built.plugged.size).toBe(0);
  });

  test('neither foreign networks nor own hardware addresses', () => {
    expect(create('engine9', 'e1', '10.0.1.8/24')).toMatchObject({ kind: 'failed' });
    const addresses = ['10.0.1.8/24'];
    const endpoint = { engineNetworkId: 'engine1', id: 'e1', addresses, nameservers: [] };
    expect(plumbing.endpointCreated({ ...endpoint, mac: '02:00:00:00:00:01' })).toMatchObject({
      kind: 'failed',
    });
    expect(plumbing.endpointCreated({ ...endpoint, mac: '02:42:0A:00:01:08' })).toMatchObject({
      kind: 'ok',
    });
  });

  test('other subnets of the network are reached through the same interface', async () => {
    registry.putNetwork({
      ...exampleNetwork,
      subnets: [
        ...exampleNetwork.subnets,
        { subnet: '10.0.2.0/24', gateway: '10.0.2.1', vni: 4_097 },
      ],
    });
    create('engine1', 'e1', '10.0.1.8/24');
    expect(await plumbing.join('e1', '/sandbox')).toMatchObject({
      value: { subnets: ['10.0.2.0/24'] },
    });
  });

  describe('addresses', () => {
    test('a task has its own; nobody is asked', async () => {
      expect(await plumbing.give('network1', subnet, '10.0.1.8')).toEqual({
        kind: 'ok',
        value: '10.0.1.8/24',
      });
      expect(attachments.taken).toEqual([]);
    });

    test('containers run by hand only where that is allowed', async () => {
      expect(await plumbing.give('network1', subnet, '')).toEqual({
        kind: 'failed',
        message: 'network demo not manually attachable',
      });
      expect(await plumbing.give('network2', subnet, '')).toEqual({
        kind: 'ok',
        value: '10.0.1.201/24',
      });
    });

    test('both families of one container are of one attachment, and go back together', async () => {
      expect(await plumbing.give('network2', subnet, '')).toMatchObject({ value: '10.0.1.201/24' });
      expect(await plumbing.give('network2', 'fd00:1::/64', '')).toMatchObject({
        value: 'fd00:1::1/64',
      });
      expect(await plumbing.give('network2', subnet, '10.0.1.77')).toMatchObject({
        value: '10.0.1.77/24',
      });
      expect(attachments.taken).toEqual([undefined, '10.0.1.77']);
      create('engine2', 'e1', '10.0.1.201/24', 'fd00:1::1/64');
      await plumbing.join('e1', '/sandbox');
      expect(told.at(-1)).toBe('unnamed network2');
      expect(registry.local('network2')[0]?.endpointId).toBe('attachment1');
      plumbing.release('network2', '10.0.1.201');
      plumbing.release('network2', 'fd00:1::1');
      expect(attachments.detached).toEqual(['attachment1']);
    });

    test.each([
      {
        what: 'of a task',
        networkId: 'network1',
        address: '10.0.1.8',
        sandbox: live,
        given: inUse,
      },
      {
        what: 'run by hand',
        networkId: 'network2',
        address: '10.0.1.77',
        sandbox: live,
        given: inUse,
      },
      {
        what: 'that died with its engine',
        ...{ networkId: 'network2', address: '10.0.1.77', sandbox: '/proc/self/stat' },
        given: { kind: 'ok', value: '10.0.1.77/24' },
      },
    ])('the address of a container $what', async ({ networkId, address, sandbox, given }) => {
      const engineId = networkId.replace('network', 'engine');
      expect(await plumbing.give(networkId, subnet, address)).toMatchObject({ kind: 'ok' });
      create(engineId, 'e1', `${address}/24`);
      await plumbing.join('e1', sandbox);
      expect(await plumbing.give(networkId, subnet, address)).toEqual(given);
      // As the engine does it when a container starts again.
      plumbing.leave('e1');
      expect(await plumbing.give(networkId, subnet, address)).toMatchObject({ kind: 'ok' });
    });

    test('what the swarm refuses is refused with its words', async () => {
      attachments.attach = async () => ({ kind: 'failed', message: 'no free address' });
      expect(await plumbing.give('network2', subnet, '')).toEqual({
        kind: 'failed',
        message: 'no free address',
      });
    });
  });

  test('a container run by hand is told of, and is on the disk before it runs', async () => {
    await plumbing.give('network2', subnet, '');
    create('engine2', 'e1', '10.0.1.201/24', 'fd00:1::1/64');
    await plumbing.join('e1', '/sandbox');
    expect(attachments.holding).toEqual(['attachment1']);
    const later = await open();
    expect(later.local('network2')).toMatchObject([{ endpointId: 'attachment1' }]);
  });

  test('the agent that comes next is told of those alone that are there', async () => {
    for (const [id, sandbox] of [
      ['e1', '/sandbox'],
      ['e2', undefined],
    ] as const) {
      const given = await plumbing.give('network2', subnet, '');
      const address = given.kind === 'ok' ? given.value : '';
      create('engine2', id, address);
      if (sandbox !== undefined) await plumbing.join(id, sandbox);
    }
    create('engine1', 'e3', '10.0.1.8/24');
    await plumbing.join('e3', '/sandbox');
    const next = new FakeAttachments();
    plumbing.resume(next);
    expect(next.holding).toEqual(['attachment1']);
  });

  describe('an address has one holder', () => {
    const addresses = ['10.0.1.77/24'];
    const old = { networkId: 'network2', addresses, endpointId: 'old' };
    const task = {
      ...{ taskId: 'task7', upstreams: [] },
      networks: [{ networkId: 'network2', addresses }],
    };
    const holder = (of: Registry): string | undefined =>
      of.attachmentAt('network2', '10.0.1.77')?.endpointId;

    test('the container that is given it', async () => {
      registry.attach(old);
      attachments.attach = async () => ({ kind: 'ok', attachmentId: 'new', addresses });
      await plumbing.give('network2', subnet, '');
      expect(holder(registry)).toBe('new');
      expect(attachments.detached).toEqual(['old']);
    });

    test('the task that is given it', async () => {
      registry.attach(old);
      plumbing.plan(task);
      expect(attachments.detached).toEqual(['old']);
      create('engine2', 'e1', '10.0.1.77/24');
      await plumbing.join('e1', '/sandbox');
      expect(registry.local('network2')).toMatchObject([{ endpointId: 'task7' }]);
      expect(attachments.holding).toEqual([]);
      expect(told).not.toContain('unnamed network2');
    });

    test('somebody on another host: the container here is unplugged', async () => {
      attachments.attach = async () => ({ kind: 'ok', attachmentId: 'old', addresses });
      await plumbing.give('network2', subnet, '');
      create('engine2', 'e1', '10.0.1.77/24');
      await plumbing.join('e1', '/sandbox');
      plumbing.evict('old');
      expect(registry.local('network2')).toEqual([]);
      expect(holder(registry)).toBeUndefined();
      const next = new FakeAttachments();
      plumbing.resume(next);
      expect(next.holding).toEqual([]);
      expect(attachments.detached).toEqual([]);
    });

    test.each([
      { what: 'the newer one', tasks: [], expected: 'new' },
      { what: 'the task', tasks: [task], expected: undefined },
    ])('whatever was kept of more: $what', async ({ tasks, expected }) => {
      registry.attach({ ...old, addresses: ['10.0.1.78/24'] });
      await registry.durable();
      const path = join(folder, 'agent', 'overlay.json');
      const kept: object = JSON.parse(await readFile(path, 'utf8'));
      const both = [old, { ...old, endpointId: 'new' }];
      await writeFile(path, JSON.stringify({ ...kept, tasks, attachments: both }));
      const later = await open();
      expect(holder(later)).toBe(expected);
      expect(later.attachments).toHaveLength(expected === undefined ? 0 : 1);
    });
  });

  test.each([
    { what: 'goes back with it', others: [], detached: ['attachment1'] },
    { what: 'stays with who has it', others: ['e2'], detached: [] },
  ])('the address of a container that was lost $what', async ({ others, detached }) => {
    await plumbing.give('network2', subnet, '');
    for (const id of ['e1', ...others]) create('engine2', id, '10.0.1.201/24');
    plumbing.lost('e1');
    expect(registry.endpoint('e1')).toBeUndefined();
    expect(attachments.detached).toEqual(detached);
  });

  test('an address for a container that went meanwhile is given back', async () => {
    registry.putNetwork({ ...attachable, subnets: attachable.subnets.slice(0, 1) });
    create('engine2', 'e1', '10.0.1.77/24');
    await plumbing.join('e1', '/sandbox');
    const [endpoint] = registry.joined('network2');
    if (endpoint === undefined) throw new Error('nobody has joined');
    const adopting = plumbing.adopt(endpoint);
    plumbing.endpointDeleted('e1');
    expect(await adopting).toMatchObject({ kind: 'failed' });
    expect(attachments.detached).toEqual(['attachment1']);
  });

  test('a container whose task’s plan was lost is the task’s again', async () => {
    const addresses = ['10.0.1.7/24'];
    registry.putEndpoint({ id: 'e1', networkId: 'network1', addresses, mac: '', sandbox: live });
    const owner = () => registry.local('network1').map(({ endpointId }) => endpointId);
    expect(owner()).toEqual(['e1']);
    const networks = [{ networkId: 'network1', addresses }];
    const task = { taskId: 'task2', networks, upstreams: [] };
    expect([plumbing.claim(task), plumbing.claim(task)]).toEqual([true, false]);
    expect(owner()).toEqual(['task2']);
    expect(told).toEqual(['changed network1']);
  });

  test('everything is there again after a restart', async () => {
    create('engine1', 'e1', '10.0.1.8/24');
    await plumbing.join('e1', '/sandbox');
    await plumbing.give('network2', subnet, '');
    expect(await plumbing.networkCreated('engine3', 'network1')).toMatchObject({ kind: 'ok' });
    await registry.durable();
    const again = await open();
    expect(again.own).toEqual(exampleOwn);
    expect(again.networks).toEqual([exampleNetwork, attachable]);
    expect(again.networkOf('engine3')?.id).toBe('network1');
    expect(again.local('network1')).toEqual(registry.local('network1'));
    expect(again.attachmentAt('network2', '10.0.1.201')?.endpointId).toBe('attachment1');
    plumbing.networkDeleted('engine3');
    expect(told).toContain('dropped network1');
    await again.durable();
  });
});
