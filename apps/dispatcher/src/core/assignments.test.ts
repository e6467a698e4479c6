import { type Instant, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLog } from '@shoal/stage/testing';
import { type Cluster, revisionId, type Service, type Task, type TaskTemplate } from '@shoal/state';
import { expect, test } from 'vitest';
import { assignmentOf } from './assignments.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
const sealed = { sealed: '' };
const file = { Name: 'json-file', Options: { 'max-size': '1m' } };

function logDriverOf(
  TaskDefaults: Cluster['spec']['TaskDefaults'],
  LogDriver: TaskTemplate['LogDriver'],
): TaskTemplate['LogDriver'] {
  const log = new FakeLog({ clock: new FakeClock(), random: systemRandom });
  const cluster: Cluster = {
    id: 'c',
    meta,
    spec: { TaskDefaults } as Cluster['spec'],
    rootCa: { certificate: '', key: sealed },
    joinTokens: { worker: sealed, manager: sealed },
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4_789,
  };
  const endpoint = { revision: 0, ports: [], virtualIps: [] };
  const service: Service = { id: 's', meta, name: 'web', revision: 1, endpoint };
  const spec = {
    Name: 'web',
    Labels: {},
    TaskTemplate: { ContainerSpec: { Image: 'busybox' }, LogDriver, ForceUpdate: 0 },
    Mode: { Replicated: { Replicas: 1 } },
  };
  const revision = { id: revisionId('s', 1), meta, serviceId: 's', number: 1, spec };
  log.write([
    { op: 'create', table: 'cluster', object: cluster },
    { op: 'create', table: 'service', object: service },
    { op: 'create', table: 'revision', object: revision },
  ]);
  const task: Task = {
    id: 't',
    meta,
    serviceId: 's',
    slot: 1,
    nodeId: 'n',
    revision: 1,
    desired: 'running',
    status: { state: 'assigned', at: 0 as Instant, message: '', err: '' },
  };
  return assignmentOf(log.view, task, () => undefined)?.template.LogDriver;
}

test.each([
  ["the service's own, over the cluster's", { LogDriver: { Name: 'syslog' } }, file, file],
  ["the cluster's", { LogDriver: file }, undefined, file],
  ["the cluster's options for the engine's driver", { LogDriver: {} }, undefined, { Name: '' }],
  ["the engine's, as the service says", { LogDriver: file }, { Name: '' }, { Name: '' }],
  ['none, where nobody names one', {}, undefined, undefined],
])('the log driver of a task is %s', (_what, defaults, own, driver) => {
  expect(logDriverOf(defaults, own)).toEqual(driver);
});
