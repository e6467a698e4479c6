// Goal: whatever happens to nodes, tasks and orchestrators, a job never does more at a time than it may, never
// the same slot twice at once, and completes once the trouble is over. Every settling of the fake swarm also
// checks that looking at each change ends where a look at everything does.
import { isBefore, isTerminal, type Task } from '@shoal/state';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Fate } from '../testing/fake-agents.ts';
import type { FakeSwarm } from '../testing/fake-swarm.ts';
import { current, jobSwarm } from '../testing/jobs.ts';
import { type SpecParts, second } from '../testing/objects.ts';

const nodes = ['node1', 'node2', 'node3'] as const;
const fates: readonly Fate[] = ['runs', 'finishes', 'fails', 'is rejected', 'hangs'];

type Move =
  | { readonly kind: 'time'; readonly seconds: number }
  | { readonly kind: 'fate'; readonly fate: Fate }
  | { readonly kind: 'end'; readonly task: number; readonly as: 'failed' | 'complete' }
  | { readonly kind: 'node'; readonly node: number; readonly to: 'down' | 'ready' }
  | { readonly kind: 'node'; readonly node: number; readonly to: 'drain' | 'pause' | 'active' }
  | { readonly kind: 'force' }
  | { readonly kind: 'kill' };

const aNode = fc.nat(nodes.length - 1);
const moves = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('time'), seconds: fc.nat(8) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('fate'), fate: fc.constantFrom(...fates) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('end'),
        task: fc.nat(5),
        as: fc.constantFrom('failed', 'complete'),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('node'),
        node: aNode,
        to: fc.constantFrom('down', 'ready', 'drain', 'pause', 'active'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('force') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill') }) },
  ),
  { minLength: 5, maxLength: 30, size: 'max' },
) as fc.Arbitrary<readonly Move[]>;

function play(swarm: FakeSwarm, move: Move): void {
  if (move.kind === 'time') swarm.run(move.seconds * second);
  else if (move.kind === 'fate') swarm.fate = () => move.fate;
  else if (move.kind === 'force') swarm.force('job');
  else if (move.kind === 'kill') swarm.stages[0]?.restart();
  else if (move.kind === 'node') changeNode(swarm, nodes[move.node] ?? 'node1', move.to);
  else {
    const running = current(swarm).filter(({ status }) => status.state === 'running');
    const task = running[move.task];
    if (task !== undefined) swarm.end(task, move.as);
  }
}

function changeNode(swarm: FakeSwarm, id: string, to: (Move & { kind: 'node' })['to']): void {
  if (to === 'down' || to === 'ready') swarm.setNodeState(id, to);
  else swarm.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability: to } }));
}

function isLive({ desired, status }: Task): boolean {
  return !isBefore('complete', desired) && !isTerminal(status.state);
}

function heal(swarm: FakeSwarm): void {
  for (const id of nodes)
    swarm.changeNode(id, ({ spec, status }) => ({
      spec: { ...spec, Availability: 'active' },
      status: { ...status, state: 'ready' },
    }));
  swarm.fate = () => 'finishes';
}

it.each<[string, SpecParts['spec'], number, number]>([
  [
    'a replicated job',
    { Mode: { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 4 } } },
    2,
    4,
  ],
  ['a global job', { Mode: { GlobalJob: {} } }, 3, 3],
])('%s keeps its limits and completes', (_what, spec, atOnce, total) => {
  fc.assert(
    fc.property(moves, (all) => {
      const swarm = jobSwarm({ template: { RestartPolicy: { Delay: 0 } }, spec: spec ?? {} });
      for (const move of all) {
        play(swarm, move);
        swarm.settle();
        const live = current(swarm).filter(isLive);
        expect(live.length).toBeLessThanOrEqual(atOnce);
        const places = live.map(({ slot, nodeId }) => (total === 3 ? nodeId : slot));
        expect(new Set(places).size).toBe(places.length);
      }
      heal(swarm);
      const complete = (): number =>
        new Set(
          current(swarm)
            .filter(({ status }) => status.state === 'complete')
            .map(({ slot, nodeId }) => (total === 3 ? nodeId : slot)),
        ).size;
      swarm.runUntil('complete', () => complete() === total, 900_000);
      expect(swarm.tasks('job').length).toBeLessThanOrEqual(total * 8);
    }),
    { numRuns: 30 },
  );
});
