import { expect, test } from 'vitest';
import { tableOf, taskOf } from '../testing/records.ts';
import { entrancesOf, renderRoutes, renderSteering } from './steering.ts';

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

test('answers leave from the own address where there is one', () => {
  expect(renderSteering(entrances, '10.0.1.11')).toContain('ip saddr set 10.0.1.11');
  expect(renderSteering(entrances, undefined)).not.toContain('saddr set');
});
