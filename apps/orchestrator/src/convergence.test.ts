import {
  canaryLabel,
  type Labels,
  type ServiceSpec,
  type Task,
  type UpdateConfig,
} from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from './orchestrator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import { aCluster, nanoseconds, second } from './testing/objects.ts';

const runs = Number(process.env['SHOAL_PROPERTY_RUNS'] ?? 30);
const historyLimit = 3;
const nodesMax = 4;

interface Move {
  readonly what: string;
  readonly make: (swarm: FakeSwarm) => void;
  /** For the report of a counterexample. */
  readonly toString: () => string;
}

const move = (what: string, make: Move['make']): Move => ({
  what,
  make,
  toString: () => what,
});

const updateConfigs: fc.Arbitrary<UpdateConfig> = fc.record(
  {
    Parallelism: fc.constantFrom(0, 1, 2, 3),
    Order: fc.constantFrom('stop-first' as const, 'start-first' as const),
    FailureAction: fc.constantFrom('pause' as const, 'continue' as const, 'rollback' as const),
    MaxFailureRatio: fc.constantFrom(0, 0.3, 0.5, 1),
    Delay: fc.constantFrom(0, second * nanoseconds),
    Monitor: fc.constantFrom(0, 2 * second * nanoseconds),
  },
  { requiredKeys: ['Parallelism'] },
);

const services = fc.constantFrom('web', 'agent');
const nodeIds = fc.integer({ min: 1, max: nodesMax }).map((at) => `node${at}`);

const drainLabels = fc.constantFrom<Readonly<Record<string, string>>>(
  {},
  { 'shoal.drain.order': 'start-first' },
  { 'shoal.drain.order': 'start-first', 'shoal.drain.parallelism': '2' },
  { 'shoal.drain.order': 'start-first', 'shoal.drain.deadline': '5s' },
  { disk: 'ssd' },
);

const withCanary =
  (labels: Labels) =>
  (spec: ServiceSpec): ServiceSpec => {
    const { [canaryLabel]: _, ...others } = spec.Labels;
    return { ...spec, Labels: { ...others, ...labels } };
  };

const moves: fc.Arbitrary<Move> = fc.oneof(
  fc
    .tuple(services, fc.constantFrom('busybox:1', 'busybox:2', 'busybox:bad', 'busybox:crash'))
    .map(([id, image]) => move(`update of ${id} to ${image}`, (it) => it.setImage(id, image))),
  fc
    .tuple(services, updateConfigs)
    .map(([id, config]) =>
      move(`config of ${id} ${JSON.stringify(config)}`, (it) =>
        it.update(id, (spec) => ({ ...spec, UpdateConfig: config, RollbackConfig: config })),
      ),
    ),
  fc
    .tuple(services, fc.constantFrom({}, { [canaryLabel]: '1' }, { [canaryLabel]: '60%' }))
    .map(([id, labels]) =>
      move(`canary of ${id}: ${JSON.stringify(labels)}`, (it) => it.update(id, withCanary(labels))),
    ),
  fc
    .integer({ min: 0, max: 5 })
    .map((replicas) => move(`scale to ${replicas}`, (it) => it.scale('web', replicas))),
  fc.tuple(services, fc.nat()).map(([id, pick]) =>
    move(`rollback of ${id}`, (it) => {
      const { revision } = it.service(id);
      const others = [...it.view.revisions.byService(id)].filter((one) => one.number !== revision);
      const target = others[pick % Math.max(1, others.length)];
      if (target !== undefined) it.rollBack(id, target.number);
    }),
  ),
  fc.tuple(services, fc.constantFrom([], ['node.labels.disk==ssd'])).map(([id, Constraints]) =>
    move(`constraints of ${id}: ${Constraints.length}`, (it) =>
      it.update(id, (spec) => ({
        ...spec,
        TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints } },
      })),
    ),
  ),
  fc
    .tuple(nodeIds, fc.constantFrom('down' as const, 'ready' as const, 'unknown' as const))
    .map(([id, state]) => move(`${id} is ${state}`, (it) => it.setNodeState(id, state))),
  fc
    .tuple(
      nodeIds,
      fc.constantFrom('drain' as const, 'active' as const, 'pause' as const),
      drainLabels,
    )
    .map(([id, Availability, Labels]) =>
      move(`${id} to ${Availability} ${JSON.stringify(Labels)}`, (it) =>
        it.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability, Labels } })),
      ),
    ),
  fc.tuple(fc.nat(), fc.constantFrom('failed' as const, 'complete' as const)).map(([pick, state]) =>
    move(`a task is ${state}`, (it) => {
      const running = [...it.running('web'), ...it.running('agent')];
      const task = running[pick % Math.max(1, running.length)];
      if (task !== undefined) it.end(task, state);
    }),
  ),
  fc.constant(move('the orchestrator is killed', (it) => it.stages[0]?.restart())),
);

const scenarios = fc.array(fc.tuple(moves, fc.constantFrom(0, 100, 700, 3_000, 12_000)), {
  minLength: 1,
  maxLength: 14,
  size: 'max',
});

function imageOf(swarm: FakeSwarm, { serviceId, revision }: Task): string {
  const { TaskTemplate } = swarm.view.revisions.of(serviceId, revision)?.spec ?? {};
  return TaskTemplate?.ContainerSpec.Image ?? '';
}

function begin(orchestrators: number): FakeSwarm {
  const stages = Array.from({ length: orchestrators }, () => createOrchestrator);
  const swarm = new FakeSwarm({ stages, racing: orchestrators > 1 });
  swarm.write([{ op: 'create', table: 'cluster', object: aCluster(historyLimit) }]);
  swarm.addNodes(nodesMax);
  const spec = { Labels: { 'shoal.restart.backoff': '8s' } };
  swarm.create('web', { replicas: 4, image: 'busybox:1', spec });
  swarm.create('agent', { global: true, image: 'busybox:1', spec });
  swarm.fate = (task) => {
    const image = imageOf(swarm, task);
    if (image === 'busybox:bad') return 'fails at start';
    return image === 'busybox:crash' ? 'is rejected' : 'runs';
  };
  swarm.run(2 * second);
  return swarm;
}

/** Two tasks of a slot are meant to run only where one of them is to take over from the other. */
function checkSlots(swarm: FakeSwarm): void {
  for (const id of ['web', 'agent'])
    for (const tasks of Map.groupBy(swarm.live(id), (it) => it.slot || it.nodeId).values()) {
      const alive = tasks.filter(({ status }) => status.state === 'running');
      if (alive.length > 1) throw new Error(`two run in a slot of ${id}: ${JSON.stringify(tasks)}`);
      if (tasks.length > 2) throw new Error(`three live in a slot: ${JSON.stringify(tasks)}`);
    }
}

/** Puts everything right that a user could, and waits. */
function heal(swarm: FakeSwarm): void {
  swarm.fate = () => 'runs';
  for (const { id } of swarm.view.nodes.values())
    swarm.changeNode(id, ({ spec, status }) => ({
      spec: { ...spec, Availability: 'active', Labels: { disk: 'ssd' } },
      status: { ...status, state: 'ready' },
    }));
}

function checkConverged(swarm: FakeSwarm, id: string, places: readonly (number | string)[]): void {
  const { updateStatus, revision } = swarm.service(id);
  const paused = updateStatus?.state.endsWith('paused') ?? false;
  const found = swarm.running(id).map((task) => task.slot || task.nodeId);
  expect(new Set(found)).toEqual(new Set(places));
  expect(found).toHaveLength(places.length);
  expect(updateStatus?.state).not.toBe('updating');
  expect(updateStatus?.state).not.toBe('rollback_started');
  const current = swarm.view.revisions.of(id, revision)?.spec.TaskTemplate.ContainerSpec.Image;
  if (!paused)
    expect(new Set(swarm.running(id).map((task) => imageOf(swarm, task)))).toEqual(
      new Set(places.length === 0 ? [] : [current]),
    );
  for (const tasks of Map.groupBy(swarm.tasks(id), (it) => it.slot || it.nodeId).values())
    expect(tasks.length).toBeLessThanOrEqual(historyLimit);
}

describe('whatever users, nodes and tasks do', () => {
  it.each([
    { orchestrators: 1, part: 1 },
    { orchestrators: 2, part: 3 },
  ])('it converges with $orchestrators that each decide everything', ({ orchestrators, part }) => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const swarm = begin(orchestrators);
        for (const [{ make }, waitMs] of scenario) {
          make(swarm);
          swarm.run(waitMs, () => {
            checkSlots(swarm);
            return false;
          });
        }
        heal(swarm);
        const calmDown = (): void =>
          swarm.run(90 * second, () => {
            checkSlots(swarm);
            return false;
          });
        calmDown();
        // A canary keeps others from being updated, and none from running.
        expect(swarm.running('agent')).toHaveLength(nodesMax);
        for (const id of ['web', 'agent']) swarm.update(id, withCanary({}));
        calmDown();
        const { Mode } = swarm.view.revisions.of('web', swarm.service('web').revision)?.spec ?? {};
        const replicas = Mode?.Replicated?.Replicas ?? 0;
        const slots = swarm.running('web').map(({ slot }) => slot);
        expect(slots).toHaveLength(replicas);
        checkConverged(swarm, 'web', slots);
        checkConverged(
          swarm,
          'agent',
          Array.from({ length: nodesMax }, (_, at) => `node${at + 1}`),
        );
      }),
      { numRuns: Math.ceil(runs / part) },
    );
  });
});

it('looks again when a task of an older revision gets its node, which may not suit the newer one', () => {
  const swarm = begin(2);
  const constrain = (...Constraints: readonly string[]): void =>
    swarm.update('web', (spec) => ({
      ...spec,
      UpdateConfig: { Parallelism: 0, Order: 'start-first' },
      TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints } },
    }));
  constrain('node.labels.disk==ssd');
  swarm.settle();
  swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'drain' } }));
  swarm.settle();
  constrain();
  swarm.run(100);
  heal(swarm);
  swarm.run(90 * second, () => {
    checkSlots(swarm);
    return false;
  });
  checkConverged(swarm, 'web', [1, 2, 3, 4]);
});

describe('an update to something that never runs', () => {
  const cases = fc.record({
    replicas: fc.integer({ min: 1, max: 12 }),
    Parallelism: fc.integer({ min: 0, max: 5 }),
    MaxFailureRatio: fc.constantFrom(0, 0.1, 0.25, 0.4, 0.5, 0.75),
    Order: fc.constantFrom('stop-first' as const, 'start-first' as const),
    FailureAction: fc.constantFrom('pause' as const, 'rollback' as const),
    Delay: fc.constantFrom(0, 500 * nanoseconds),
    killEveryMs: fc.constantFrom(0, 300, 1_100),
  });

  it('never passes its failure ratio, and does what its failure action says', () => {
    fc.assert(
      fc.property(cases, ({ replicas, killEveryMs, ...config }) => {
        const swarm = new FakeSwarm({ stages: [createOrchestrator] });
        swarm.addNodes(3);
        const spec = { UpdateConfig: config, RollbackConfig: { ...config, Delay: 0 } };
        swarm.create('web', { replicas, image: 'busybox:1', spec });
        swarm.runUntil('running', () => swarm.running('web').length === replicas);
        swarm.fate = (task) => (imageOf(swarm, task) === 'busybox:bad' ? 'is rejected' : 'runs');
        swarm.setImage('web', 'busybox:bad');
        const end = config.FailureAction === 'pause' ? 'paused' : 'rollback_completed';
        const isOver = (): boolean => swarm.service('web').updateStatus?.state === end;
        for (let kills = 0; kills < 10 && killEveryMs > 0 && !isOver(); kills += 1) {
          swarm.run(killEveryMs, isOver);
          swarm.stages[0]?.restart();
        }
        const tried = new Set<number>();
        swarm.runUntil(end, () => {
          for (const task of swarm.tasks('web')) if (task.revision === 2) tried.add(task.slot);
          return isOver();
        });
        const allowed = Math.floor(Math.fround(config.MaxFailureRatio) * replicas);
        const atOnce = config.Parallelism === 0 ? replicas : config.Parallelism;
        expect(tried.size).toBeLessThanOrEqual(Math.min(replicas, allowed + atOnce));
        if (config.FailureAction === 'rollback')
          expect(swarm.running('web').filter((task) => task.revision === 1)).toHaveLength(replicas);
        if (config.Order === 'start-first') expect(swarm.running('web')).toHaveLength(replicas);
      }),
      { numRuns: runs },
    );
  });
});
