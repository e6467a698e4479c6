import type { Shape } from './world.ts';

/** What SwarmKit's own benchmark (Go, its scheduler and store alone, one process) does. */
export interface Peer {
  /** Its name there. */
  readonly benchmark: string;
  /** Tasks per second on such a machine on 2026-11-21, for where it cannot be run; not all were measured. */
  readonly tasksPerSecond?: number;
  /** How many times that is asked for. */
  readonly factor: number;
  /** It takes so long that it is measured once, and not in turns. */
  readonly once?: true;
}

export interface Compared {
  readonly shape: Shape;
  readonly peer?: Peer;
}

function shape(nodes: number, tasks: number, more: Partial<Shape> = {}): Shape {
  const plain = { constraints: false, preferences: false, tasksPerService: 1 };
  return { nodes, tasks, ...plain, ...more };
}

/** A program that has just begun is not what is measured: code is compiled in its first runs. */
export const warmUp: Shape = shape(1_000, 10_000);
export const warmUpRuns = 10;

const constraints = true;
const preferences = true;

/**
 * SwarmKit's benchmark is run in turns with ours. Its tasks belong to no service, so each is a group of
 * its own, as with one task per service here; its constraint is a plugin on every third node, here a
 * label on every third node. It measures no preferences and no services of many tasks.
 */
export const shapes: readonly Compared[] = [
  {
    shape: shape(1_000, 1_000),
    peer: { benchmark: 'Scheduler1kNodes1kTasks', tasksPerSecond: 6_400, factor: 10 },
  },
  {
    shape: shape(1_000, 10_000),
    peer: { benchmark: 'Scheduler1kNodes10kTasks', tasksPerSecond: 7_000, factor: 10 },
  },
  {
    shape: shape(1_000, 100_000),
    peer: { benchmark: 'Scheduler1kNodes100kTasks', tasksPerSecond: 6_700, factor: 10 },
  },
  {
    shape: shape(1_000, 1_000, { constraints }),
    peer: { benchmark: 'SchedulerConstraints1kNodes1kTasks', factor: 10 },
  },
  {
    shape: shape(1_000, 10_000, { constraints }),
    peer: { benchmark: 'SchedulerConstraints1kNodes10kTasks', tasksPerSecond: 5_000, factor: 10 },
  },
  {
    shape: shape(1_000, 100_000, { constraints }),
    peer: { benchmark: 'SchedulerConstraints1kNodes100kTasks', tasksPerSecond: 4_800, factor: 10 },
  },
  {
    shape: shape(5_000, 100_000, { constraints }),
    peer: {
      benchmark: 'SchedulerConstraints5kNodes100kTasks',
      tasksPerSecond: 1_430,
      factor: 10,
      once: true,
    },
  },
  {
    shape: shape(100_000, 1_000),
    peer: {
      benchmark: 'Scheduler100kNodes1kTasks',
      tasksPerSecond: 49,
      factor: 100,
      once: true,
    },
  },
  { shape: shape(100_000, 100_000) },
  { shape: shape(1_000, 10_000, { preferences }) },
  { shape: shape(1_000, 100_000, { preferences }) },
  { shape: shape(1_000, 100_000, { constraints, preferences }) },
  { shape: shape(100_000, 1_000, { constraints, preferences }) },
  { shape: shape(1_000, 100_000, { tasksPerService: 100 }) },
  { shape: shape(1_000, 100_000, { tasksPerService: 100, constraints, preferences }) },
];
