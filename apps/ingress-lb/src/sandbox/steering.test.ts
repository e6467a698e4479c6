import { expect, test } from 'vitest';
import { serviceOf, tableOf, taskOf } from '../testing/records.ts';
import { entrancesOf, reachOf, renderRoutes, renderSteering, steer } from './steering.ts';

const balancer = (ending: number) =>
  taskOf(ending, { kind: 'balancer', service: undefined, endpointId: `lb.${ending}` });
const table = tableOf([balancer(242), balancer(241), taskOf(11)], { ingress: true });
const entrances = entrancesOf(table);

test('every balancer of the network is an entrance, this host included, each once', () => {
  expect(entrances).toEqual([
    {
      mark: 0x530001f1,
      mac: '02:42:0a:00:01:f1',
      addresses: { v4: '10.0.1.241', v6: 'fd00:1::241' },
    },
    {
      mark: 0x530001f2,
      mac: '02:42:0a:00:01:f2',
      addresses: { v4: '10.0.1.242', v6: 'fd00:1::242' },
    },
  ]);
});

test('marks of hosts stay when other hosts come', () => {
  const more = entrancesOf(tableOf([balancer(5), ...table.records.values()], { ingress: true }));
  for (const entrance of entrances) expect(more).toContainEqual(entrance);
});

test('routes lead back through each, and those of hosts that left go', () => {
  const [first] = entrances;
  const present = {
    rules: new Set([`4 ${first?.mark}`, '4 1392508933']),
    routes: new Set([`4 ${first?.mark} 10.0.1.241`]),
  };
  const lines = renderRoutes(entrances.slice(0, 1), present);
  expect(lines).toEqual([
    '-6 route replace default via fd00:1::241 table 1392509425',
    '-6 rule add fwmark 1392509425 lookup 1392509425 priority 21320',
    '-4 rule del fwmark 1392508933 lookup 1392508933 priority 21320',
  ]);
});

test('nothing is to do where all is there', () => {
  const rules = new Set(entrances.flatMap(({ mark }) => [`4 ${mark}`, `6 ${mark}`]));
  const routes = new Set(
    entrances.flatMap(({ mark, addresses: { v4, v6 } }) => [`4 ${mark} ${v4}`, `6 ${mark} ${v6}`]),
  );
  expect(renderRoutes(entrances, { rules, routes })).toEqual([]);
});

const place = {
  endpointId: 'task11',
  sandbox: '/run/netns/task11',
  mac: '02:42:0a:00:01:0b',
  addresses: ['10.0.1.11/24', 'fd00:1::11/64'],
  networks: ['ingress'],
};

test('others reach the targets of published ports, each once', () => {
  const port = { protocol: 'tcp', targetPort: 80, publishedPort: 8080 } as const;
  const ports = [
    port,
    { ...port, publishedPort: 8081 },
    { ...port, protocol: 'udp', targetPort: 53 } as const,
    { ...port, targetPort: 9000, publishedPort: 0 },
  ];
  const published = taskOf(11, { service: serviceOf({ ports }), serving: false });
  expect(reachOf(published, place)).toEqual({
    own4: ['10.0.1.11'],
    own6: ['fd00:1::11'],
    macs: ['02:42:0a:00:01:0b'],
    ports: ['tcp . 80', 'udp . 53'],
  });
  expect(reachOf(taskOf(11, { service: undefined }), place).ports).toEqual([]);
});

test('answers leave from the own address where there is one', () => {
  const reach = reachOf(taskOf(11), place);
  expect(renderSteering(entrances, reach)).toContain('ip saddr set 10.0.1.11');
  expect(renderSteering(entrances, { ...reach, own4: [] })).not.toContain('saddr set');
});

test.each([
  ['by name', ['sctp', 'tcp', 'udp']],
  ['by number, as on a host without a list of them', [132, 6, 17]],
])('a sandbox in which all is there is left alone: protocols %s', async (_how, protocols) => {
  const reach = {
    own4: ['10.0.1.11'],
    own6: ['fd00:1::11'],
    macs: ['02:42:0a:00:01:0b'],
    ports: ['sctp . 9', 'tcp . 9', 'udp . 9'],
  };
  const concats = protocols.map((protocol) => ({ concat: [protocol, 9] }));
  const rule = { rule: { chain: 'own', expr: [{ mangle: { value: '10.0.1.11' } }] } };
  const nftables = [
    { map: { name: 'entrances' } },
    { set: { name: 'own4', elem: reach.own4 } },
    { set: { name: 'own6', elem: reach.own6 } },
    { set: { name: 'macs', elem: reach.macs } },
    { set: { name: 'ports', elem: concats } },
    ...Array.from({ length: 12 }, () => rule),
  ];
  const stdout = [JSON.stringify({ nftables }), '[]', '[]', '[]', '[]'].join('\n');
  const fakeCommands = { run: async () => ({ kind: 'done', stdout }) as const };
  expect(await steer(fakeCommands, '/run/netns/one', [], reach)).toEqual({
    outcome: { kind: 'applied' },
    changed: false,
  });
});
