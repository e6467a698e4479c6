import type { Instant, LogIndex } from '@shoal/runtime';
import { type Change, type ContainerSpec, State, type StateView, type Task } from '@shoal/state';
import { expect, test } from 'vitest';
import { type OpenSealed, taskDocuments } from './task-documents.ts';

const meta = { version: 0 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };
const now = 1_000 as Instant;
const file = (Name: string) => ({ Name, UID: '0', GID: '0', Mode: 0o444 });
const container: ContainerSpec = {
  Image: 'busybox',
  Secrets: [
    { SecretID: 'x1', SecretName: 'password', File: file('one') },
    { SecretID: 'x1', SecretName: 'password', File: file('two') },
  ],
  Configs: [{ ConfigID: 'f1', ConfigName: 'page', File: file('page') }],
};

/** What is sealed opens at its own place alone. */
const open: OpenSealed = ({ sealed }, place) =>
  sealed === `sealed for ${place}` ? Buffer.from('hush') : undefined;

function world(task: Partial<Task>, sealed = 'sealed for secret/x1'): StateView {
  const endpoint = { revision: 0, ports: [], virtualIps: [] };
  const changes: Change[] = [
    {
      op: 'create',
      table: 'secret',
      object: { id: 'x1', meta, spec: { Name: 'password', Labels: {} }, data: { sealed } },
    },
    {
      op: 'create',
      table: 'config',
      object: {
        ...{ id: 'f1', meta, data: Buffer.from('{{.Task.Slot}}').toString('base64') },
        spec: { Name: 'page', Labels: {}, Templating: { Name: 'golang' } },
      },
    },
    {
      op: 'create',
      table: 'node',
      object: {
        ...{ id: 'n1', meta, role: 'worker' },
        spec: { Labels: {}, Role: 'worker', Availability: 'active' },
        status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' },
      },
    },
    {
      op: 'create',
      table: 'service',
      object: { id: 's1', meta, name: 'web', revision: 1, endpoint },
    },
    {
      op: 'create',
      table: 'revision',
      object: {
        ...{ id: 's1.1', meta, serviceId: 's1', number: 1 },
        spec: {
          ...{ Name: 'web', Labels: {}, Mode: { Replicated: { Replicas: 1 } } },
          TaskTemplate: { ContainerSpec: container, ForceUpdate: 0 },
        },
      },
    },
    {
      op: 'create',
      table: 'task',
      object: {
        ...{ id: 't1', meta, serviceId: 's1', slot: 1, nodeId: 'n1', revision: 1 },
        desired: 'running',
        status: { state: 'assigned', at: now, message: '', err: '' },
        ...task,
      },
    },
  ];
  const state = new State();
  const actor = { kind: 'user', name: 'fake' } as const;
  const transaction = { id: 'a', actor, reason: '', decidedAt: 0 as LogIndex, changes };
  const { outcomes } = state.applyTransactions(1 as LogIndex, now, [transaction]);
  expect(outcomes[0]?.kind).toBe('committed');
  return state.view;
}

const asked = { nodeId: 'n1', taskId: 't1' };

test('a node is told all that its task is given, each once', () => {
  expect(taskDocuments(world({}), asked, open)).toEqual({
    kind: 'documents',
    documents: [
      { kind: 'secret', id: 'x1', name: 'password', data: Buffer.from('hush'), templating: '' },
      {
        ...{ kind: 'config', id: 'f1', name: 'page', templating: 'golang' },
        data: Buffer.from('{{.Task.Slot}}'),
      },
    ],
  });
});

const ended = { state: 'failed', at: now, message: '', err: '' } as const;

test.each<[string, Partial<Task>, typeof asked]>([
  ['another node', {}, { ...asked, nodeId: 'n2' }],
  ['a task that is not there', {}, { ...asked, taskId: 't2' }],
  ['a task that is to stop', { desired: 'shutdown' }, asked],
  ['a task that has ended', { status: ended }, asked],
])('nothing for %s', (_what, task, who) => {
  const told = taskDocuments(world(task), who, open);
  expect(told).toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(/has no task/),
  });
});

test('a secret that was sealed for another place does not open', () => {
  const moved = world({}, 'sealed for secret/x2');
  expect(taskDocuments(moved, asked, open)).toEqual({
    kind: 'refused',
    message: 'secret password cannot be opened here',
  });
});
