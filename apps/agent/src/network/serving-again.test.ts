import type { EndpointRecord } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assignment, NetworkedHost, record, remote, stepMs } from '../testing/networked-host.ts';
import { sampleNode } from '../testing/sample-task.ts';

let host: NetworkedHost;
beforeEach(async () => {
  host = await NetworkedHost.start();
});
afterEach(() => host.end());

test('a task that the balancer cannot steer is masqueraded on all hosts from its first moment on', async () => {
  host.inNetwork([remote('a')]);
  const service: NonNullable<EndpointRecord['service']> = {
    id: 's',
    name: 'web',
    aliases: [],
    mode: 'vip',
    virtualIps: [],
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }],
  };
  const given = assignment('t');
  const [one] = given.networks ?? [];
  if (one === undefined) throw new Error('no network');
  const withPorts = { ...given, networks: [{ ...one, record: record('t', { service }) }] };
  const lb = host.consumer('ingress-lb');
  const say = (unsteered: string[]) =>
    lb.end.received({
      consumer: 'ingress-lb',
      version: lb.updates.at(-1)?.version ?? 0,
      networks: [{ networkId: 'n', digest: 'd', problems: [], unsteered }],
    });
  say([]);
  host.networking.joined(withPorts, 'c', sampleNode);
  await Promise.resolve();
  say([]);
  const serve = host.networking.serve('t');
  await host.advance(stepMs);
  // As the real one does: a problem counts, and is told, once the task is served.
  say(['t']);
  await host.finished(serve);
  await host.advance(10_000);
  expect(host.published('t')).toMatchObject({
    serving: true,
    service: { sourceAddress: 'masquerade' },
  });
});

test('a host that was booted anew sends nobody to tasks whose containers nobody has seen', async () => {
  host.inNetwork([remote('a')]);
  host.networking.joined(assignment('t'), 'c', sampleNode);
  await host.finished(host.networking.serve('t'));
  // The machine loses its power; an hour later its agent is there, and the engine not yet.
  await host.reboot();
  await host.advance(5_000);
  expect(host.published('t')?.serving ?? false).toBe(false);
});
