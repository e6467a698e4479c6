import { describe, expect, test } from 'vitest';
import { defaultLeg, innerEnd } from '../host/leg.ts';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { type Balancing, frontKey } from './balancing.ts';
import { desiredNetwork } from './desired.ts';

const options = { leg: innerEnd(defaultLeg), unsteered: new Set<string>() };
const port = { protocol: 'tcp', targetPort: 80, publishedPort: 8_080 } as const;
const published = serviceOf({ ports: [port] });

/** `front: address:port*weight …`, ordered. */
function story({ servers }: Balancing): readonly string[] {
  return [...servers.values()].map(({ front, backends, schedule }) => {
    const places = backends.map(
      ({ address, port: at, open }) => `${address} ${at}${open ? '' : ' closed'}`,
    );
    return `${frontKey(front)} ${schedule}: ${places.join(', ')}`;
  });
}

describe('records become servers', () => {
  test('a virtual address of each family, with the tasks of that family in order', () => {
    const { balancing, virtualIps } = desiredNetwork(tableOf([taskOf(12), taskOf(11)]), options);
    expect(story(balancing)).toEqual([
      '10.0.1.2 rr: 10.0.1.11 0, 10.0.1.12 0',
      'fd00:1::2 rr: fd00:1::11 0, fd00:1::12 0',
    ]);
    expect(virtualIps).toEqual(['10.0.1.2', 'fd00:1::2']);
    expect(balancing.source).toEqual({ v4: '10.0.1.241', v6: 'fd00:1::241' });
    expect(balancing.leg).toBeUndefined();
  });

  test('a task that does not serve is kept, closed', () => {
    const records = [taskOf(11), taskOf(12, { serving: false })];
    const { balancing } = desiredNetwork(tableOf(records), options);
    expect(story(balancing)[0]).toBe('10.0.1.2 rr: 10.0.1.11 0, 10.0.1.12 0 closed');
  });

  test('published ports exist in the ingress network alone, with the port inside', () => {
    const records = [taskOf(11, { service: published, addresses: ['10.0.1.11'] })];
    expect(story(desiredNetwork(tableOf(records), options).balancing)).toHaveLength(1);
    const ingress = desiredNetwork(tableOf(records, { ingress: true }), options);
    expect(story(ingress.balancing)).toEqual([
      '10.0.1.2 rr: 10.0.1.11 0',
      '4/tcp/8080 rr: 10.0.1.11 80',
    ]);
    expect(ingress.balancing.leg?.device).toBe('shoal-leg');
  });

  test('while the port inside changes, each task is reached by its own', () => {
    const next = serviceOf({ ports: [{ ...port, targetPort: 81 }], virtualIps: [] });
    const before = serviceOf({ ports: [port], virtualIps: [] });
    const table = tableOf(
      [
        taskOf(11, { service: before, addresses: ['10.0.1.11'] }),
        taskOf(12, { service: next, addresses: ['10.0.1.12'] }),
      ],
      { ingress: true },
    );
    expect(story(desiredNetwork(table, options).balancing)).toEqual([
      '4/tcp/8080 rr: 10.0.1.11 80, 10.0.1.12 81',
    ]);
  });

  test.each([
    ['balancers', taskOf(11, { service: undefined, kind: 'balancer' })],
    [
      'services whose name stands for the tasks',
      taskOf(11, { service: serviceOf({ mode: 'dnsrr' }) }),
    ],
    [
      'ports that are not published',
      taskOf(11, {
        service: serviceOf({ virtualIps: [], ports: [{ ...port, publishedPort: 0 }] }),
      }),
    ],
  ])('nothing is made of %s', (_what, record) => {
    const { balancing } = desiredNetwork(tableOf([record], { ingress: true }), options);
    expect(story(balancing)).toEqual([]);
  });

  test('a protocol and a balance that only newer managers know harm nothing else', () => {
    const ports = [port, { ...port, protocol: 'quic' as 'tcp', publishedPort: 9 }];
    const service = serviceOf({ virtualIps: [], ports, balance: 'wrr' as 'rr' });
    const record = taskOf(11, { service, addresses: ['10.0.1.11'] });
    const { balancing } = desiredNetwork(tableOf([record], { ingress: true }), options);
    expect(story(balancing)).toEqual(['4/tcp/8080 rr: 10.0.1.11 80']);
  });

  test('the order in which records came makes no difference', () => {
    const records = [11, 12, 21, 22].map((ending) => taskOf(ending, { service: published }));
    const one = desiredNetwork(tableOf(records, { ingress: true }), options);
    const other = desiredNetwork(tableOf([...records].reverse(), { ingress: true }), options);
    expect(story(other.balancing)).toEqual(story(one.balancing));
  });
});

describe('clients of published ports are hidden', () => {
  const masqueraded = (
    service: ReturnType<typeof serviceOf>,
    unsteered: readonly string[] = [],
  ) => [
    ...desiredNetwork(tableOf([taskOf(11, { service })], { ingress: true }), {
      ...options,
      unsteered: new Set(unsteered),
    }).balancing.masqueraded,
  ];
  test('from no task by itself', () => expect(masqueraded(published)).toEqual([]));
  test('where the service asks for it', () => {
    expect(masqueraded({ ...published, sourceAddress: 'masquerade' })).toEqual([
      '10.0.1.11',
      'fd00:1::11',
    ]);
  });
  test('from a task whose replies cannot be led', () => {
    expect(masqueraded(published, ['10.0.1.11'])).toEqual(['10.0.1.11', 'fd00:1::11']);
  });
  test('where a header tells of them', () => {
    const told = { ...published, sourceAddress: 'proxy-protocol' } as const;
    expect(masqueraded(told)).toEqual(['10.0.1.11', 'fd00:1::11']);
  });
});

test('without a balancer address of its family a service waits, and that is told', () => {
  const network = { balancerAddresses: ['10.0.1.241/24'] };
  const { balancing, virtualIps, problems } = desiredNetwork(
    tableOf([taskOf(11)], network),
    options,
  );
  expect(story(balancing)).toEqual(['10.0.1.2 rr: 10.0.1.11 0']);
  expect(virtualIps).toEqual(['10.0.1.2']);
  expect(problems).toEqual(['service whoami waits for a balancer address in network demo']);
});

test('ports are open to the subnets that any record of the service says', () => {
  const ports = (['tcp', 'udp'] as const).map((protocol) => ({ ...port, protocol }));
  const allowing = (at: number, allowed?: readonly string[]) =>
    taskOf(at, { service: serviceOf({ ports, ...(allowed && { allowed }) }) });
  const table = tableOf(
    [allowing(11), allowing(12, ['10.0.0.0/8']), allowing(13, ['10.0.0.0/8', '192.0.2.1/32'])],
    { ingress: true },
  );
  const from = ['10.0.0.0/8', '192.0.2.1/32'];
  const guards = ports.map(({ protocol, publishedPort: port }) => ({ protocol, port, from }));
  expect([...desiredNetwork(table, options).guards.values()]).toEqual(guards);
  expect(desiredNetwork(tableOf([allowing(11)], { ingress: true }), options).guards.size).toBe(0);
});

test('published TCP ports of services that ask for a header are told', () => {
  const ports = (['tcp', 'udp'] as const).map((protocol) => ({ ...port, protocol }));
  const service = serviceOf({ virtualIps: [], ports, sourceAddress: 'proxy-protocol' });
  const table = tableOf([taskOf(11, { service })], { ingress: true });
  expect([...desiredNetwork(table, options).proxied]).toEqual([port.publishedPort]);
});

test('a port of SCTP is refused where the kernel has none, and the others are not', () => {
  const ports = (['tcp', 'sctp'] as const).map((protocol) => ({ ...port, protocol }));
  const service = serviceOf({ virtualIps: [], ports });
  const table = tableOf([taskOf(11, { service })], { ingress: true });
  const noSctp = 'the kernel has none';
  const { balancing, problems } = desiredNetwork(table, { ...options, noSctp });
  expect([...balancing.servers.keys()]).toEqual(['4/tcp/8080', '6/tcp/8080']);
  expect(problems).toEqual([
    'service whoami is not balanced on port 8080/sctp: the kernel has none',
  ]);
});
