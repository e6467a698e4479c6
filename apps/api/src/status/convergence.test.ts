import type { Task } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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

describe('tasks that end again and again', () => {
  type Told = Pick<Task, 'desired'> & Pick<Task['status'], 'state'> & { readonly err?: string };
  const ended: Told = { desired: 'shutdown', state: 'failed', err: 'non-zero exit (1)' };
  const next: Told = { desired: 'ready', state: 'ready' };
  const delayed: Told = { ...next, err: 'waits 40s to restart' };
  const runs: Told = { desired: 'running', state: 'running' };
  const replicated = { Mode: { Replicated: { Replicas: 1 } } };
  const global = { Mode: { Global: {} } };
  const job = { Mode: { ReplicatedJob: { TotalCompletions: 1, MaxConcurrent: 1 } } };
  const globalJob = { Mode: { GlobalJob: {} } };

  test.each<[string, object, readonly Told[], string]>([
    ['one that ended', replicated, [ended, next], '0 of 1 run: non-zero exit (1)'],
    ['a long delay', replicated, [ended, delayed], '0 of 1 run: waits 40s to restart'],
    ['one that was given up', replicated, [ended], '0 of 1 run: non-zero exit (1)'],
    ['one of every node', global, [ended, next], '0 of 1 run: non-zero exit (1)'],
    ['a long delay on every node', global, [ended, delayed], '0 of 1 run: waits 40s to restart'],
    ['a job', job, [ended, next], '0 completed, 0 run: non-zero exit (1)'],
    ['a job that was given up', job, [ended], '0 completed, 0 run: non-zero exit (1)'],
    ['a job of every node', globalJob, [ended, next], '0 completed, 0 run: non-zero exit (1)'],
    ['a job that runs after all', job, [ended, runs], '0 completed, 1 run'],
    ['one that runs after all', replicated, [ended, runs], ''],
    ['one of every node that runs after all', global, [ended, runs], ''],
    ['one that takes over from another', replicated, [runs, runs], ''],
  ])('%s', async (_name, mode, tasks, reason) => {
    const serviceId = await site.serve('web', mode);
    allocateEndpoint('web');
    const service = site.view.services.byName('web');
    const [node] = site.view.nodes.values();
    for (const [at, { desired, state, err = '' }] of tasks.entries()) {
      const meta = { version: 0, createdAt: at, updatedAt: at } as Task['meta'];
      const object: Task = {
        id: `t${at}`,
        meta,
        serviceId,
        slot: mode === replicated ? 1 : 0,
        nodeId: node?.id ?? '',
        revision: 1,
        desired,
        jobIteration: service?.jobStatus?.iteration,
        status: { state, at: meta.createdAt, message: '', err },
      };
      site.host.log.write([{ op: 'create', table: 'task', object }]);
    }
    expect(standing('web').reason).toBe(reason);
  });
});
