import { newMeta } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import type { FakeSwarm } from '../testing/fake-swarm.ts';
import { aCluster, nanoseconds, second } from '../testing/objects.ts';
import { bad, running, state, template, updated } from '../testing/web-swarm.ts';

const file = { Name: 'password', UID: '0', GID: '0', Mode: 0o444 };
const spec = { Name: 'password', Labels: {} };
const gone = { id: 'gone', meta: newMeta };

/** What a revision can need, how it is made, and what is said when it is missing. */
const needed = {
  network: {
    made: {
      op: 'create',
      table: 'network',
      object: {
        ...gone,
        spec: {
          Name: 'back',
          Labels: {},
          Driver: 'overlay',
          Internal: false,
          Attachable: false,
          Ingress: false,
          Predefined: false,
        },
      },
    },
    by: { Networks: [{ Target: 'gone' }] },
    version: ({ view }: FakeSwarm) => view.networks.get('gone')?.meta.version ?? view.index,
    text: 'network gone',
  },
  secret: {
    made: { op: 'create', table: 'secret', object: { ...gone, spec, data: { sealed: '' } } },
    by: {
      ContainerSpec: {
        Image: 'busybox',
        Secrets: [{ SecretID: 'gone', SecretName: 'password', File: file }],
      },
    },
    version: ({ view }: FakeSwarm) => view.secrets.get('gone')?.meta.version ?? view.index,
    text: 'secret password',
  },
  config: {
    made: { op: 'create', table: 'config', object: { ...gone, spec, data: '' } },
    by: {
      ContainerSpec: {
        Image: 'busybox',
        Configs: [{ ConfigID: 'gone', ConfigName: 'password', File: file }],
      },
    },
    version: ({ view }: FakeSwarm) => view.configs.get('gone')?.meta.version ?? view.index,
    text: 'config password',
  },
} as const;

describe('an update that fails', () => {
  it('pauses, and says which task', () => {
    const swarm = running();
    swarm.setImage('web', bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    const failed = swarm.tasks('web').find(({ status }) => status.state === 'failed');
    expect(swarm.service('web').updateStatus?.message).toBe(
      `update paused due to failure or early termination of task ${failed?.id}`,
    );
    swarm.run(30 * second);
    expect(swarm.running('web').filter(({ revision }) => revision === 1)).toHaveLength(3);
  });

  it('stays paused whoever looks at it, until the service is updated again', () => {
    const swarm = running();
    swarm.setImage('web', bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    const before = swarm.running('web').map(({ id }) => id);
    swarm.stages[0]?.restart();
    swarm.run(60 * second);
    expect(state(swarm)).toBe('paused');
    expect(swarm.running('web').map(({ id }) => id)).toEqual(before);
    swarm.setImage('web', 'busybox:3');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(updated(swarm)).toHaveLength(4);
  });

  it('goes on from its pause with the next update, even one that changes nothing', () => {
    const swarm = running();
    swarm.setImage('web', bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    swarm.fate = () => 'runs';
    swarm.update('web', (spec) => spec);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(swarm.running('web').filter(({ revision }) => revision === 1)).toEqual([]);
  });

  it.each([0, 1, 2])('is known to have failed with a history of %i tasks a slot', (limit) => {
    const swarm = running({ MaxFailureRatio: 0.5, FailureAction: 'pause' });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(limit) }]);
    swarm.setImage('web', bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    expect(swarm.running('web').filter(({ revision }) => revision === 1)).toHaveLength(1);
  });

  it.each([0, 1, 5])('goes on past failures with a history of %i tasks a slot', (limit) => {
    const config = { FailureAction: 'continue', Delay: 3 * second * nanoseconds } as const;
    const swarm = running(config, { spec: { Labels: { 'shoal.restart.backoff': 'off' } } });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(limit) }]);
    swarm.setImage('web', bad);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
  });

  it('without a revision to go back to pauses', () => {
    const swarm = running({ FailureAction: 'rollback' });
    swarm.setImage('web', bad);
    swarm.write([
      {
        op: 'update',
        table: 'service',
        object: { ...swarm.service('web'), previousRevision: undefined },
      },
    ]);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
  });

  it.each(['network', 'secret', 'config'] as const)(
    'pauses when a %s of the revision to go back to is gone, and says which',
    (table) => {
      const swarm = running({ FailureAction: 'rollback', Parallelism: 0 });
      swarm.write([needed[table].made]);
      swarm.update('web', (spec) => template(spec, needed[table].by));
      swarm.runUntil('completed', () => state(swarm) === 'completed');
      const { fate } = swarm;
      swarm.fate = () => 'hangs';
      const without = { ContainerSpec: { Image: bad }, Networks: [] };
      swarm.update('web', (spec) => template(spec, without));
      swarm.runUntil('stopped', () => swarm.running('web').length === 0);
      swarm.run(second);
      swarm.write([{ op: 'delete', table, id: 'gone', version: needed[table].version(swarm) }]);
      swarm.fate = fate;
      swarm.runUntil('paused', () => state(swarm) === 'paused');
      const said = /of task [0-9a-z]{25}; no rollback to revision 2: (.*) is gone$/;
      const { message } = swarm.service('web').updateStatus ?? {};
      expect(said.exec(message ?? '')?.[1]).toBe(needed[table].text);
      expect(swarm.refusals).toEqual([]);
    },
  );

  it('is not one whose first task lost its node', () => {
    const swarm = running();
    swarm.fate = ({ revision }) => (revision === 2 ? 'hangs' : 'runs');
    swarm.setImage('web', 'busybox:2');
    const first = () => swarm.tasks('web').find(({ revision }) => revision === 2);
    swarm.runUntil('placed', () => first()?.status.state === 'preparing');
    const task = first();
    if (task === undefined) throw new Error('nothing is updated');
    const status = { ...task.status, state: 'orphaned', at: swarm.now } as const;
    swarm.write([{ op: 'update', table: 'task', object: { ...task, status } }]);
    swarm.fate = () => 'runs';
    swarm.runUntil('completed', () => state(swarm) === 'completed');
  });

  it('starts what is rolled back to at once, whatever the back-off of what failed', () => {
    const swarm = running({ FailureAction: 'rollback', MaxFailureRatio: 0.7, Delay: 0 });
    swarm.setImage('web', bad);
    swarm.runUntil('rolling back', () => state(swarm) === 'rollback_started');
    const at = swarm.now;
    swarm.runUntil('running', () => swarm.running('web').length === 4);
    expect(swarm.now - at).toBeLessThan(20 * second);
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
  });

  it('goes on when told to continue', () => {
    const swarm = running({ FailureAction: 'continue' });
    swarm.setImage('web', bad);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(swarm.running('web')).toHaveLength(0);
  });

  it('rolls back, and completes the rollback', () => {
    const swarm = running({ FailureAction: 'rollback' });
    swarm.setImage('web', bad);
    swarm.runUntil('rolling back', () => state(swarm) === 'rollback_started');
    const { revision, previousRevision, updateStatus } = swarm.service('web');
    expect({ revision, previousRevision }).toEqual({ revision: 1, previousRevision: undefined });
    expect(updateStatus?.message).toMatch(
      /^update rolled back due to failure or early termination of task [0-9a-z]{25}$/,
    );
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(swarm.service('web').updateStatus?.message).toBe('rollback completed');
    expect(swarm.running('web').filter((task) => task.revision === 1)).toHaveLength(4);
  });

  it('within the ratio goes on; above it, acts', () => {
    const swarm = running({ FailureAction: 'rollback', MaxFailureRatio: 0.4 });
    swarm.setImage('web', bad);
    swarm.runUntil('rolling back', () => state(swarm) === 'rollback_started');
    const slots = new Set(
      swarm.tasks('web').flatMap(({ revision, slot }) => (revision === 2 ? [slot] : [])),
    );
    expect(slots.size).toBe(2);
  });

  it('while rolling back pauses the rollback', () => {
    const swarm = running({ FailureAction: 'rollback' });
    const { fate } = swarm;
    swarm.fate = (task) => (swarm.service('web').revision === 1 ? 'fails at start' : fate(task));
    swarm.setImage('web', bad);
    swarm.runUntil('rollback paused', () => state(swarm) === 'rollback_paused');
    expect(swarm.service('web').updateStatus?.message).toMatch(
      /^rollback paused due to failure or early termination of task /,
    );
  });

  it.each([
    { monitor: 'of 5 s by default', config: {}, ran: 4, said: 'paused' },
    { monitor: 'of 5 s by default', config: {}, ran: 6, said: 'updating' },
    { monitor: 'of 20 s', config: { Monitor: 20_000 * nanoseconds }, ran: 12, said: 'paused' },
    { monitor: 'of 8 s', config: { Monitor: 8_000 * nanoseconds }, ran: 12, said: 'updating' },
  ])('within a monitor time $monitor counts: after $ran s it is $said', (row) => {
    const swarm = running({ Delay: 60_000 * nanoseconds, ...row.config });
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('first', () => updated(swarm).length === 1);
    swarm.run(row.ran * second);
    const [first] = updated(swarm);
    if (first === undefined) throw new Error('nothing was replaced');
    swarm.end(first);
    swarm.run(5 * second);
    expect(state(swarm)).toBe(row.said);
  });
});

describe('a rollback asked for', () => {
  it('goes back to the tasks of the previous revision, and forth again', () => {
    const swarm = running();
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    for (const revision of [1, 2]) {
      swarm.rollBack('web');
      swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
      expect(swarm.running('web').map((task) => task.revision)).toEqual([
        revision,
        revision,
        revision,
        revision,
      ]);
    }
  });

  it.each([1, 2, 3])('goes to any revision: %i of 4', (to) => {
    const swarm = running();
    for (const tag of [2, 3, 4]) {
      swarm.setImage('web', `busybox:${tag}`);
      swarm.run(second);
    }
    swarm.rollBack('web', to);
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(updated(swarm)).toHaveLength(4);
    expect(swarm.service('web').revision).toBe(to);
  });

  it('ends also where what it goes to fails at once and is not to be restarted', () => {
    const never = { RestartPolicy: { Condition: 'none' as const } };
    const RollbackConfig = {
      Parallelism: 0,
      MaxFailureRatio: 1,
      Monitor: 3 * second * nanoseconds,
    };
    const swarm = running({}, { spec: { RollbackConfig } });
    swarm.update('web', (before) => ({
      ...before,
      TaskTemplate: { ...before.TaskTemplate, ...never, ContainerSpec: { Image: bad } },
    }));
    swarm.run(60 * second);
    swarm.setImage('web', 'busybox:3');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    swarm.rollBack('web');
    swarm.run(60 * second);
    expect(state(swarm)).toBe('rollback_completed');
    const made = swarm.tasks('web').filter(({ desired }) => desired === 'running');
    expect(made).toEqual([]);
  });

  it('keeps to the parallelism although the clock of who asked is ahead', () => {
    const swarm = running();
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    swarm.rollBack('web');
    const service = swarm.service('web');
    const { updateStatus } = service;
    if (updateStatus === undefined) throw new Error('no rollback');
    const startedAt = (updateStatus.startedAt + 30 * second) as typeof updateStatus.startedAt;
    const object = { ...service, updateStatus: { ...updateStatus, startedAt } };
    swarm.write([{ op: 'update', table: 'service', object }]);
    let fewest = 4;
    swarm.runUntil('rolled back', () => {
      fewest = Math.min(fewest, swarm.running('web').length);
      return state(swarm) === 'rollback_completed';
    });
    expect(fewest).toBe(3);
    expect(updated(swarm)).toHaveLength(4);
  });

  it('goes by the rollback configuration of where it goes to', () => {
    const RollbackConfig = { Parallelism: 0 };
    const swarm = running({ Parallelism: 1 }, { spec: { RollbackConfig } });
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    swarm.rollBack('web');
    let fewest = 4;
    swarm.runUntil('rolled back', () => {
      fewest = Math.min(fewest, swarm.running('web').length);
      return state(swarm) === 'rollback_completed';
    });
    expect(fewest).toBe(0);
  });
});
