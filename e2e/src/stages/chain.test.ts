import { createAllocator } from '@shoal/allocator';
import { createOrchestrator } from '@shoal/orchestrator';
import { FakeSwarm, type Fate, type SpecParts, second } from '@shoal/orchestrator/testing';
import { createScheduler } from '@shoal/scheduler';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const stages = [createOrchestrator, createAllocator, createScheduler];

function swarmOf(nodes: number, racing = false): FakeSwarm {
  const swarm = new FakeSwarm({ stages, racing });
  swarm.addNodes(nodes);
  return swarm;
}

describe('the chain of stages', () => {
  it('runs a new service in as many rounds as it has states', () => {
    const swarm = swarmOf(3);
    swarm.create('web', { replicas: 6 });
    swarm.settle();
    const statuses = swarm.tasks('web').map(({ status }) => status);
    for (const status of statuses)
      expect(status).toMatchObject({
        state: 'assigned',
        message: 'scheduler assigned task to node',
        err: '',
      });
    swarm.runUntil('running', () => swarm.running('web').length === 6, second);
    expect([1, 2, 3].map((node) => swarm.view.usage(`node${node}`).tasks)).toEqual([2, 2, 2]);
    expect(swarm.refusals).toEqual([]);
  });

  it('replaces a killed task within seconds', () => {
    const swarm = swarmOf(2);
    swarm.create('web', { replicas: 3 });
    swarm.runUntil('running', () => swarm.running('web').length === 3);
    const [task] = swarm.running('web');
    if (task === undefined) throw new Error('nothing runs');
    swarm.end(task);
    swarm.runUntil('running again', () => swarm.running('web').length === 3, 7 * second);
  });

  it('places a thousand tasks on a thousand nodes, one on each', () => {
    const swarm = swarmOf(1_000);
    swarm.create('web', { replicas: 1_000 });
    // Its own CPU time: others on the machine do not make it slow.
    const before = process.cpuUsage();
    swarm.settle();
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(1_000);
    expect(new Set(swarm.tasks('web').map(({ nodeId }) => nodeId)).size).toBe(1_000);
  });
});

/** What services ask for beside replicas; most do not fit everywhere. */
const flavours = {
  plain: {},
  hungry: { template: { Resources: { Reservations: { NanoCPUs: 3e9, MemoryBytes: 1e9 } } } },
  'host port': {
    spec: {
      EndpointSpec: {
        Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }],
      },
    },
  },
  'one per node': { template: { Placement: { MaxReplicas: 1 } } },
  global: { global: true },
} as const satisfies Record<string, SpecParts>;

type Move =
  | {
      readonly kind: 'create';
      readonly service: number;
      readonly replicas: number;
      readonly flavour: keyof typeof flavours;
    }
  | { readonly kind: 'scale'; readonly service: number; readonly replicas: number }
  | { readonly kind: 'update'; readonly service: number; readonly startFirst: boolean }
  | { readonly kind: 'remove'; readonly service: number }
  | { readonly kind: 'kill'; readonly task: number }
  | { readonly kind: 'node'; readonly node: number; readonly to: 'ready' | 'down' | 'drain' }
  | { readonly kind: 'fate'; readonly fate: Fate }
  | { readonly kind: 'restart'; readonly stage: number }
  | { readonly kind: 'wait'; readonly ms: number };

const service = fc.nat({ max: 3 });
const replicas = fc.nat({ max: 8 });
const moves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('create' as const),
      service,
      replicas,
      flavour: fc.constantFrom(...(Object.keys(flavours) as (keyof typeof flavours)[])),
    }),
    fc.record({ kind: fc.constant('scale' as const), service, replicas }),
    fc.record({ kind: fc.constant('update' as const), service, startFirst: fc.boolean() }),
    fc.record({ kind: fc.constant('remove' as const), service }),
    fc.record({ kind: fc.constant('kill' as const), task: fc.nat({ max: 50 }) }),
    fc.record({
      kind: fc.constant('node' as const),
      node: fc.integer({ min: 1, max: 4 }),
      to: fc.constantFrom('ready' as const, 'down' as const, 'drain' as const),
    }),
    fc.record({
      kind: fc.constant('fate' as const),
      fate: fc.constantFrom<Fate>('runs', 'is rejected', 'fails at start', 'finishes'),
    }),
    fc.record({ kind: fc.constant('restart' as const), stage: fc.nat({ max: 2 }) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 100, max: 8_000 }) }),
  ),
  { minLength: 10, maxLength: 40 },
);

function play(swarm: FakeSwarm, move: Move): void {
  const id = 'service' in move ? `service${move.service}` : '';
  const exists = swarm.view.services.get(id) !== undefined;
  switch (move.kind) {
    case 'create':
      if (!exists && swarm.tasks(id).length === 0)
        swarm.create(id, { replicas: move.replicas, ...flavours[move.flavour] });
      break;
    case 'scale':
      if (exists && !isGlobal(swarm, id)) swarm.scale(id, move.replicas);
      break;
    case 'update':
      if (exists) update(swarm, id, move.startFirst);
      break;
    case 'remove':
      if (exists) swarm.remove(id);
      break;
    case 'kill': {
      const running = [...swarm.view.tasks.byState('running')];
      const task = running[move.task % Math.max(1, running.length)];
      if (task !== undefined) swarm.end(task);
      break;
    }
    case 'node':
      setNode(swarm, `node${move.node}`, move.to);
      break;
    case 'fate':
      swarm.fate = () => move.fate;
      break;
    case 'restart':
      swarm.stages[move.stage]?.restart();
      break;
    case 'wait':
      swarm.run(move.ms);
      break;
  }
}

function update(swarm: FakeSwarm, id: string, startFirst: boolean): void {
  swarm.update(id, (spec) => ({
    ...spec,
    UpdateConfig: { Parallelism: 2, Order: startFirst ? 'start-first' : 'stop-first' },
    TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: spec.TaskTemplate.ForceUpdate + 1 },
  }));
}

function setNode(swarm: FakeSwarm, id: string, to: 'ready' | 'down' | 'drain'): void {
  swarm.changeNode(id, ({ spec, status }) => ({
    spec: { ...spec, Availability: to === 'drain' ? 'drain' : 'active' },
    status: { ...status, state: to === 'down' ? 'down' : 'ready' },
  }));
}

function isGlobal(swarm: FakeSwarm, id: string): boolean {
  const { revision } = swarm.service(id);
  return swarm.view.revisions.of(id, revision)?.spec.Mode.Global !== undefined;
}

/** Few enough that all can run at once, whatever they ask for. */
function scaleToOne(swarm: FakeSwarm): void {
  for (const { id } of [...swarm.view.services.values()])
    if (!isGlobal(swarm, id)) swarm.scale(id, 1);
}

function isConverged(swarm: FakeSwarm): boolean {
  for (const { id } of swarm.view.services.values()) {
    const wanted = isGlobal(swarm, id) ? swarm.view.nodes.size : 1;
    if (swarm.running(id).length !== wanted || swarm.live(id).length !== wanted) return false;
  }
  for (const task of swarm.view.tasks.values())
    if (swarm.view.services.get(task.serviceId) === undefined) return false;
  return true;
}

describe('whatever happens', () => {
  it.each([false, true])(
    'the chain converges as a look at everything would; racing: %s',
    (racing) => {
      fc.assert(
        fc.property(moves, (sequence) => {
          const swarm = swarmOf(4, racing);
          for (const move of sequence) {
            play(swarm, move);
            swarm.settle();
          }
          swarm.fate = () => 'runs';
          for (let node = 1; node <= 4; node += 1) setNode(swarm, `node${node}`, 'ready');
          scaleToOne(swarm);
          swarm.runUntil('converged', () => isConverged(swarm), 300_000);
          // Whoever loses a race is refused for having read what is old, and tries again.
          const refused = swarm.refusals.filter(
            ({ kind }) => !racing || kind !== 'version-conflict',
          );
          expect(refused).toEqual([]);
        }),
        { numRuns: 60 },
      );
    },
  );
});
