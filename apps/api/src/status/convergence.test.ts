import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetworkSite } from '../testing/fake-networks.ts';
import { convergenceOf } from './convergence.ts';

let site: NetworkSite;

beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
  await site.init();
});
afterEach(() => site.close());

const standing = (name: string) => {
  const service = site.view.services.byName(name);
  if (service === undefined) throw new Error(`no service ${name}`);
  return convergenceOf(site.view, service);
};

/** Does what the allocator does for a service whose ports are on the nodes. */
function allocateEndpoint(name: string): void {
  const service = site.view.services.byName(name);
  if (service === undefined) throw new Error(`no service ${name}`);
  const endpoint = { ...service.endpoint, revision: service.revision };
  site.host.log.write([{ op: 'update', table: 'service', object: { ...service, endpoint } }]);
}

test('a service waits for its addresses, then for its tasks, and is there', async () => {
  const Ports = [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' }];
  const id = await site.serve('web', { EndpointSpec: { Ports } });
  expect(standing('web')).toMatchObject({ mode: 'replicated', running: 0, desired: 1 });
  expect(standing('web').reason).toContain('not allocated');
  allocateEndpoint('web');
  expect(standing('web').reason).toBe('0 of 1 run');
  const network = await site.create('front');
  site.allocate(network, '10.0.9', 4_096);
  site.addTask(id, network);
  expect(standing('web')).toMatchObject({ running: 1, desired: 1, reason: '' });
});

test('an update that is under way, or paused, is the reason', async () => {
  await site.serve('web', { Mode: { Replicated: { Replicas: 0 } } });
  expect(standing('web').reason).toBe('');
  const service = site.view.services.byName('web');
  if (service === undefined) throw new Error('no service');
  const at = service.meta.createdAt;
  const updateStatus = { state: 'paused', startedAt: at, since: at, message: 'it failed' } as const;
  const object = { ...service, updateStatus };
  site.host.log.write([{ op: 'update', table: 'service', object }]);
  expect(standing('web').reason).toBe('paused: it failed');
});

test('a job is as it is asked for once each of its tasks has completed', async () => {
  await site.serve('once', { Mode: { ReplicatedJob: { TotalCompletions: 2, MaxConcurrent: 1 } } });
  expect(standing('once')).toMatchObject({ mode: 'replicated-job', reason: '0 completed, 0 run' });
});
