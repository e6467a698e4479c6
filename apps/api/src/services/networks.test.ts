import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail, NetworkSite, service } from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
});
afterEach(() => site.close());

describe('a service', () => {
  beforeEach(async () => {
    await site.init();
  });

  test('names its networks as it likes; they are kept by id', async () => {
    const id = await site.create('demo');
    const other = await site.create('other');
    const Networks = [{ Target: 'demo', Aliases: ['db'] }, { Target: other.slice(0, 12) }];
    const serviceId = await site.serve('web', {}, { Networks });
    expect(site.view.revisions.of(serviceId, 1)?.spec.TaskTemplate.Networks).toEqual([
      { Target: id, Aliases: ['db'] },
      { Target: other },
    ]);
  });

  test.each([
    ['nope', 500, 'network nope not found'],
    [
      'mine',
      403,
      'The network mine cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.',
    ],
    [
      'ingress',
      400,
      'rpc error: code = InvalidArgument desc = Service cannot be explicitly attached to the ingress network "ingress"',
    ],
    [
      'none',
      404,
      'could not find the corresponding predefined swarm network: network none not found',
    ],
  ])('is refused the network %s', async (Target, status, message) => {
    const asked = service('web', {}, { Networks: [{ Target }] });
    expect(await site.ask('POST', '/services/create', asked)).toMatchObject(fail(status, message));
  });

  test('is refused a port that another one has, asked for or given', async () => {
    const publish = (TargetPort: number, PublishedPort?: number) => ({
      EndpointSpec: { Ports: [{ TargetPort, PublishedPort }] },
    });
    const web = await site.serve('web', publish(80, 8_080));
    const taken = (port: number, name: string, id: string) =>
      fail(
        400,
        `rpc error: code = InvalidArgument desc = port '${port}' is already in use by service '${name}' (${id}) as an ingress port`,
      );
    expect(
      await site.ask('POST', '/services/create', service('b', publish(80, 8_080))),
    ).toMatchObject(taken(8_080, 'web', web));
    const dynamic = await site.serve('dynamic', publish(80));
    const object = site.view.services.get(dynamic);
    if (object === undefined) throw new Error('no service');
    const port = {
      Protocol: 'tcp',
      TargetPort: 80,
      PublishedPort: 30_000,
      PublishMode: 'ingress',
    } as const;
    const endpoint = { revision: 1, ports: [port], virtualIps: [] };
    site.host.log.write([{ op: 'update', table: 'service', object: { ...object, endpoint } }]);
    expect(
      await site.ask('POST', '/services/create', service('c', publish(80, 30_000))),
    ).toMatchObject(taken(30_000, 'dynamic', dynamic));
  });

  test('keeps a port that another one has come to ask for, until it asks for others', async () => {
    const publish = (...published: readonly number[]) => ({
      EndpointSpec: {
        Ports: published.map((PublishedPort) => ({ TargetPort: 80, PublishedPort })),
      },
    });
    const update = async (name: string, body: object, query = '') => {
      const version = site.view.services.byName(name)?.meta.version;
      const path = `/services/${name}/update?version=${version}${query}`;
      return site.ask('POST', path, body);
    };
    const rival = await site.serve('rival', publish(8_080));
    expect(await update('rival', service('rival'))).toMatchObject({ status: 200 });
    await site.serve('web', publish(8_080));
    const rolledBack = await update('rival', service('rival'), '&rollback=previous');
    expect(rolledBack).toMatchObject({ status: 200 });
    const image = { ContainerSpec: { Image: 'busybox:2' } };
    expect(await update('web', service('web', publish(8_080), image))).toMatchObject({
      status: 200,
    });
    expect(await update('web', service('web', publish(8_080, 8_081), image))).toMatchObject(
      fail(
        400,
        `rpc error: code = InvalidArgument desc = port '8080' is already in use by service 'rival' (${rival}) as an ingress port`,
      ),
    );
  });

  test('shows its ports, its virtual addresses, and those of its tasks', async () => {
    const id = await site.create('demo', { Labels: { a: 'b' }, Attachable: true });
    site.allocate(id, '10.0.9', 4_101);
    const serviceId = await site.serve('web', {}, { Networks: [{ Target: id }] });
    const object = site.view.services.get(serviceId);
    if (object === undefined) throw new Error('no service');
    const ports = [
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8_080, PublishMode: 'ingress' } as const,
    ];
    const virtualIps = [{ networkId: id, addr: '10.0.9.2/24' }];
    const endpoint = { revision: 1, ports, virtualIps };
    site.host.log.write([{ op: 'update', table: 'service', object: { ...object, endpoint } }]);
    const task = site.addTask(serviceId, id);
    expect((await site.ask('GET', '/services/web')).json).toMatchObject({
      Endpoint: { Ports: ports, VirtualIPs: [{ NetworkID: id, Addr: '10.0.9.2/24' }] },
    });
    expect((await site.ask('GET', `/tasks/${task.id}`)).json).toMatchObject({
      NetworksAttachments: [
        {
          Network: {
            ID: id,
            Spec: {
              Name: 'demo',
              Labels: { a: 'b' },
              DriverConfiguration: { Name: 'overlay' },
              Attachable: true,
              Scope: 'swarm',
            },
            DriverState: {
              Name: 'overlay',
              Options: { 'com.docker.network.driver.overlay.vxlanid_list': '4101' },
            },
            IPAMOptions: {
              Driver: { Name: 'default' },
              Configs: [{ Subnet: '10.0.9.0/24', Gateway: '10.0.9.1' }],
            },
          },
          Addresses: ['10.0.9.5/24'],
        },
      ],
    });
  });
});
