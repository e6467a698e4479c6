import type { Task } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import type { FakeSwarm } from '../testing/fake-swarm.ts';
import { nanoseconds, second } from '../testing/objects.ts';
import { bad, running, state, updated } from '../testing/web-swarm.ts';

const canary = 'shoal.update.canary';

/** An update to the image, as `docker service update --label-add shoal.update.canary=1 --image …`. */
function tryOut(swarm: FakeSwarm, image: string, size = '1'): void {
  swarm.update('web', (spec) => ({
    ...spec,
    Labels: { ...spec.Labels, [canary]: size },
    TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { Image: image } },
  }));
}

function promote(swarm: FakeSwarm): void {
  swarm.update('web', (spec) => ({ ...spec, Labels: {} }));
}

function imageOf(swarm: FakeSwarm, { serviceId, revision }: Task): string | undefined {
  return swarm.view.revisions.of(serviceId, revision)?.spec.TaskTemplate.ContainerSpec.Image;
}

/** Images of the running tasks, by slot or node. */
function images(swarm: FakeSwarm): readonly (string | undefined)[] {
  const tasks = [...swarm.running('web')].sort(
    (a, b) => a.slot - b.slot || (a.nodeId < b.nodeId ? -1 : 1),
  );
  return tasks.map((task) => imageOf(swarm, task));
}

function withCanary(size = '1'): FakeSwarm {
  const swarm = running({ Parallelism: 2 });
  tryOut(swarm, 'new', size);
  swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
  return swarm;
}

describe('a canary', () => {
  it.each([
    ['1', ['new', 'busybox', 'busybox', 'busybox']],
    ['3', ['new', 'new', 'new', 'busybox']],
    ['50%', ['new', 'new', 'busybox', 'busybox']],
    ['26%', ['new', 'new', 'busybox', 'busybox']],
  ])('of %s is as far as the update goes, and it says so', (size, expected) => {
    const swarm = withCanary(size);
    expect(images(swarm)).toEqual(expected);
    const count = expected.filter((image) => image === 'new').length;
    expect(swarm.service('web').updateStatus?.message).toBe(
      `${count} of 4 tasks updated: the rest follows when label ${canary} is removed`,
    );
    swarm.run(60 * second);
    expect(images(swarm)).toEqual(expected);
  });

  it('is a share of the tasks that stay', () => {
    const swarm = running({ Parallelism: 0 }, { replicas: 8 });
    swarm.scale('web', 4);
    swarm.settle();
    tryOut(swarm, 'new', '50%');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['new', 'new', 'busybox', 'busybox']);
  });

  it('of all tasks is an update like others', () => {
    const swarm = withCanary('9');
    expect(images(swarm)).toEqual(['new', 'new', 'new', 'new']);
    expect(swarm.service('web').updateStatus?.message).toBe('update completed');
  });

  it('is no more than the label in the first place: all tasks of a new service are alike', () => {
    const swarm = running({}, { spec: { Labels: { [canary]: '1' } } });
    expect(images(swarm)).toEqual(Array(4).fill('busybox'));
    expect(state(swarm)).toBeUndefined();
  });

  it('leaves the rest to follow when the label goes', () => {
    const swarm = withCanary();
    const [first] = updated(swarm);
    promote(swarm);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(Array(4).fill('new'));
    expect(swarm.running('web').map(({ id }) => id)).toContain(first?.id);
    // What it stood at with the label is nothing to go back to.
    swarm.rollBack('web');
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(Array(4).fill('busybox'));
  });

  it('is given up by a rollback, which touches no other task', () => {
    const swarm = withCanary();
    const others = swarm.running('web').filter((task) => imageOf(swarm, task) !== 'new');
    swarm.rollBack('web');
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(Array(4).fill('busybox'));
    const ids = swarm.running('web').map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(others.map(({ id }) => id)));
  });

  it('goes back everywhere also where what it goes back to has the label', () => {
    const swarm = running({ Parallelism: 0 }, { spec: { Labels: { [canary]: '1' } } });
    tryOut(swarm, 'new', '3');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    swarm.rollBack('web');
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(Array(4).fill('busybox'));
  });

  it('that fails pauses, and the others run on', () => {
    const swarm = running();
    tryOut(swarm, bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    swarm.run(60 * second);
    expect(images(swarm)).toEqual(Array(3).fill('busybox'));
  });

  it('that fails counts as a whole: the ratio is not one of the tasks that wait', () => {
    const swarm = running({ MaxFailureRatio: 0.4 });
    tryOut(swarm, bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
  });

  it('that fails is rolled back where updates are to be', () => {
    const swarm = running({ FailureAction: 'rollback' });
    tryOut(swarm, bad);
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(Array(4).fill('busybox'));
  });

  it('gives way to the next one, in its own slot', () => {
    const swarm = withCanary();
    tryOut(swarm, 'newer');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['newer', 'busybox', 'busybox', 'busybox']);
    swarm.rollBack('web');
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(Array(4).fill('busybox'));
  });

  it('of most tasks gives way as a whole: what it was to prove itself against runs on', () => {
    const swarm = running({ Parallelism: 0 });
    tryOut(swarm, 'new', '3');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    tryOut(swarm, 'newer', '3');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['newer', 'newer', 'newer', 'busybox']);
    swarm.scale('web', 5);
    swarm.runUntil('five', () => swarm.running('web').length === 5);
    expect(images(swarm)).toEqual(['newer', 'newer', 'newer', 'busybox', 'busybox']);
  });

  it('grows when the label says more, and keeps what it has when it says less', () => {
    const swarm = withCanary();
    swarm.update('web', (spec) => ({ ...spec, Labels: { [canary]: '2' } }));
    swarm.runUntil('more', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['new', 'new', 'busybox', 'busybox']);
    swarm.update('web', (spec) => ({ ...spec, Labels: { [canary]: '1' } }));
    swarm.run(30 * second);
    expect(images(swarm)).toEqual(['new', 'new', 'busybox', 'busybox']);
  });
});

describe('while a canary runs', () => {
  it('what ends is replaced by its like', () => {
    const swarm = withCanary();
    for (const task of swarm.running('web')) swarm.end(task);
    swarm.runUntil('all run again', () => swarm.running('web').length === 4);
    expect(images(swarm)).toEqual(['new', 'busybox', 'busybox', 'busybox']);
  });

  it.each([
    ['replicated', { replicas: 4 }],
    ['global', { global: true, replicas: 3 }],
  ] as const)('what need not run again by its own policy does not: %s', (_mode, parts) => {
    const swarm = running({}, { ...parts, template: { RestartPolicy: { Condition: 'none' } } });
    swarm.update('web', (spec) => ({
      ...spec,
      Labels: { [canary]: '1' },
      TaskTemplate: { ...spec.TaskTemplate, RestartPolicy: { Condition: 'any' } },
    }));
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    const left = swarm.running('web').filter(({ revision }) => revision === 1);
    for (const task of left) swarm.end(task, 'complete');
    swarm.run(60 * second);
    expect(swarm.running('web').map(({ revision }) => revision)).toEqual([2]);
    expect(swarm.tasks('web')).toHaveLength(parts.replicas + 1);
  });

  it('what fails is restarted as often as its own policy says', () => {
    const policy = { Condition: 'any', Delay: second * nanoseconds } as const;
    const swarm = running({}, { template: { RestartPolicy: { ...policy, MaxAttempts: 8 } } });
    swarm.update('web', (spec) => ({
      ...spec,
      Labels: { [canary]: '1' },
      TaskTemplate: { ...spec.TaskTemplate, RestartPolicy: policy },
    }));
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    const left = (): Task | undefined => swarm.running('web').find(({ slot }) => slot === 4);
    let ends = 0;
    for (let task = left(); task !== undefined && ends < 20; task = left()) {
      swarm.end(task, 'failed');
      swarm.run(300 * second);
      ends += 1;
    }
    expect(ends).toBe(9);
  });

  it('what loses its node is replaced by its like', () => {
    const swarm = withCanary();
    swarm.setNodeState('node1', 'down');
    swarm.runUntil('all run again', () => {
      const tasks = swarm.running('web');
      return tasks.length === 4 && tasks.every(({ nodeId }) => nodeId !== 'node1');
    });
    expect(images(swarm)).toEqual(['new', 'busybox', 'busybox', 'busybox']);
  });

  it.each(['start-first', 'stop-first'])(
    'what leaves a drained node %s is replaced by its like',
    (order) => {
      const swarm = withCanary();
      swarm.changeNode('node1', ({ spec }) => ({
        spec: { ...spec, Availability: 'drain', Labels: { 'shoal.drain.order': order } },
      }));
      swarm.runUntil('all left', () => {
        const tasks = swarm.running('web');
        return tasks.length === 4 && tasks.every(({ nodeId }) => nodeId !== 'node1');
      });
      expect(images(swarm)).toEqual(['new', 'busybox', 'busybox', 'busybox']);
    },
  );

  it('more replicas are like most, and fewer leave it to say how many are of the update', () => {
    const swarm = withCanary();
    swarm.scale('web', 7);
    swarm.runUntil('seven', () => swarm.running('web').length === 7);
    expect(images(swarm)).toEqual(['new', ...Array(6).fill('busybox')]);
    swarm.scale('web', 1);
    swarm.runUntil('one', () => images(swarm).join() === 'new', 60 * second);
  });

  it.each<[string, (swarm: FakeSwarm) => void, number]>([
    ['of the scale', (swarm) => swarm.scale('web', 7), 7],
    [
      'of a label',
      (swarm) =>
        swarm.update('web', (spec) => ({ ...spec, Labels: { ...spec.Labels, team: 'a' } })),
      4,
    ],
  ])(
    'an update %s says too how far it went: clients wait for all tasks or for that',
    (_what, change, replicas) => {
      const swarm = withCanary();
      change(swarm);
      swarm.runUntil('all run', () => swarm.running('web').length === replicas);
      swarm.settle();
      expect(swarm.service('web').updateStatus).toMatchObject({
        state: 'completed',
        message: `1 of ${replicas} tasks updated: the rest follows when label ${canary} is removed`,
      });
    },
  );

  it('an orchestrator that begins anew goes on where it was', () => {
    const swarm = running({ Parallelism: 1, Delay: 2e9 });
    tryOut(swarm, 'new', '2');
    swarm.run(1 * second);
    for (const stepped of swarm.stages) stepped.restart();
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    for (const stepped of swarm.stages) stepped.restart();
    swarm.run(30 * second);
    expect(images(swarm)).toEqual(['new', 'new', 'busybox', 'busybox']);
  });

  it('a stop and a start make all tasks anew', () => {
    const swarm = withCanary();
    const label = (value: string) => (): void =>
      swarm.update('web', (spec) => ({
        ...spec,
        Labels: { ...spec.Labels, 'shoal.stopped': value },
      }));
    label('true')();
    swarm.runUntil('stopped', () => swarm.tasks('web').length === 0);
    label('false')();
    swarm.runUntil('started', () => swarm.running('web').length === 4);
    expect(images(swarm)).toEqual(Array(4).fill('new'));
  });
});

describe('a canary of a global service', () => {
  it('runs on one node, and nodes that join get what the others have', () => {
    const swarm = running({}, { spec: { Mode: { Global: {} } }, replicas: 3 });
    tryOut(swarm, 'new');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['new', 'busybox', 'busybox']);
    swarm.addNodes(2);
    swarm.runUntil('five', () => swarm.running('web').length === 5);
    expect(images(swarm)).toEqual(['new', ...Array(4).fill('busybox')]);
    promote(swarm);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(Array(5).fill('new'));
  });

  it.each<[string, (swarm: FakeSwarm) => void, (swarm: FakeSwarm) => void]>([
    [
      'is down for a while',
      (swarm) => swarm.setNodeState('node1', 'down'),
      (swarm) => swarm.setNodeState('node1', 'ready'),
    ],
    [
      'is drained for a while',
      (swarm) => swarm.drain('node1'),
      (swarm) =>
        swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } })),
    ],
  ])(
    'comes back with its node, which %s, and takes no other place meanwhile',
    (_what, leave, back) => {
      const swarm = running({}, { spec: { Mode: { Global: {} } }, replicas: 3 });
      tryOut(swarm, 'new');
      swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
      leave(swarm);
      swarm.runUntil('gone', () => swarm.running('web').length === 2);
      swarm.run(60 * second);
      expect(images(swarm)).toEqual(['busybox', 'busybox']);
      back(swarm);
      swarm.runUntil('back', () => swarm.running('web').length === 3);
      expect(images(swarm)).toEqual(['new', 'busybox', 'busybox']);
    },
  );

  it('is not taken for what to go back to while the nodes of the others are away', () => {
    const swarm = running({}, { spec: { Mode: { Global: {} } }, replicas: 3 });
    tryOut(swarm, 'new', '2');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    swarm.drain('node3');
    swarm.runUntil('gone', () => swarm.running('web').length === 2);
    tryOut(swarm, 'newer', '2');
    swarm.runUntil('the next one', () => images(swarm).join() === 'newer,newer');
    swarm.changeNode('node3', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    swarm.runUntil('back', () => images(swarm).join() === 'newer,newer,busybox');
    swarm.rollBack('web');
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(Array(3).fill('busybox'));
  });

  it('of all nodes is what to go back to, whatever was on one that is drained', () => {
    const swarm = running({}, { spec: { Mode: { Global: {} } }, replicas: 3 });
    swarm.drain('node3');
    swarm.runUntil('gone', () => swarm.running('web').length === 2);
    for (const image of ['new', 'newer']) {
      tryOut(swarm, image, '9');
      swarm.runUntil('all', () => state(swarm) === 'completed');
    }
    swarm.rollBack('web');
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(images(swarm)).toEqual(['new', 'new']);
  });

  it('goes on elsewhere when its node is none for the service any more', () => {
    const Placement = { Constraints: ['node.labels.old!=yes'] };
    const parts = { spec: { Mode: { Global: {} } }, replicas: 3, template: { Placement } };
    const swarm = running({}, parts);
    tryOut(swarm, 'new');
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Labels: { old: 'yes' } } }));
    swarm.runUntil('elsewhere', () => images(swarm).join() === 'new,busybox');
  });

  it('moves nobody off a node that only the update excludes', () => {
    const swarm = running({}, { spec: { Mode: { Global: {} } }, replicas: 3 });
    swarm.update('web', (spec) => ({
      ...spec,
      Labels: { [canary]: '1' },
      TaskTemplate: {
        ...spec.TaskTemplate,
        ContainerSpec: { Image: 'new' },
        Placement: { Constraints: ['node.hostname!=node3'] },
      },
    }));
    swarm.runUntil('as far as it may', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['new', 'busybox', 'busybox']);
    promote(swarm);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(images(swarm)).toEqual(['new', 'new']);
  });
});
