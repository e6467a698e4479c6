import { type Measured, measureAlone, measureOneMore } from './alone.ts';
import { type Peer, shapes, warmUp, warmUpRuns } from './shapes.ts';
import { SharedLog } from './shared-log.ts';
import type { Shape } from './world.ts';

/** One line of the result. */
export interface Result extends Shape {
  readonly workers: number;
  /** From the first step to the last assignment in the state; the middle of the runs. */
  readonly tasksPerSecond: number;
  /** The same by CPU time of the process, all its threads, instead of the clock. */
  readonly tasksPerCpuSecond: number;
  /** The scheduler alone, without the state machine; one worker only. */
  readonly stepTasksPerSecond?: number;
  readonly swarmkitTasksPerSecond?: number;
  /** How many times SwarmKit's figure. */
  readonly ratio?: number;
  readonly ratioAsked?: number;
}

function runsOf({ tasks, nodes }: Shape): number {
  if (nodes + tasks <= 2_000) return 9;
  return nodes + tasks <= 20_000 ? 5 : 3;
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function compared(tasksPerSecond: number, peer: Peer | undefined) {
  if (peer === undefined) return {};
  const ratio = Math.round((tasksPerSecond / peer.tasksPerSecond) * 10) / 10;
  return { swarmkitTasksPerSecond: peer.tasksPerSecond, ratio, ratioAsked: peer.factor };
}

export interface Results {
  readonly rows: readonly Result[];
  /** CPU milliseconds for one more task among 100 000 on 10 000 nodes: the middle of the runs. */
  readonly oneMoreCpuMs: number;
  readonly oneMoreCpuMsAsked: number;
}

/** 100 services of 1 000 tasks. */
const settled: Shape = { ...warmUp, nodes: 10_000, tasks: 100_000, tasksPerService: 1_000 };
const oneMoreRuns = 200;
const oneMoreCpuMsAsked = 5;

const workersMost = 2;

/** Every shape with one scheduler in this thread, and with two in threads of their own. */
export async function measureScheduler(say: (result: Result) => void): Promise<Results> {
  for (let run = 0; run < warmUpRuns; run += 1) measureAlone(warmUp);
  const rows: Result[] = [];
  const add = (row: Result): void => {
    rows.push(row);
    say(row);
  };
  for (const { shape, peer } of shapes) {
    const runs = Array.from({ length: runsOf(shape) }, () => measureAlone(shape));
    const stepTasksPerSecond = perSecond(
      shape,
      runs.map((run) => run.stepSeconds),
    );
    add({ ...rowOf(shape, 1, runs, peer), stepTasksPerSecond });
  }
  const log = await SharedLog.start(workersMost);
  try {
    for (let run = 0; run < warmUpRuns; run += 1) await log.measure(warmUp);
    for (const { shape, peer } of shapes) {
      if (shape.tasks < 10_000) continue;
      const runs: Timed[] = [];
      while (runs.length < runsOf(shape)) runs.push(await log.measure(shape));
      add(rowOf(shape, workersMost, runs, peer));
    }
  } finally {
    await log.stop();
  }
  const oneMoreCpuMs = Math.round(1_000 * middle(measureOneMore(settled, oneMoreRuns))) / 1_000;
  return { rows, oneMoreCpuMs, oneMoreCpuMsAsked };
}

type Timed = Omit<Measured, 'stepSeconds'>;

function rowOf(
  shape: Shape,
  workers: number,
  runs: readonly Timed[],
  peer: Peer | undefined,
): Result {
  const tasksPerSecond = perSecond(
    shape,
    runs.map((run) => run.seconds),
  );
  const tasksPerCpuSecond = perSecond(
    shape,
    runs.map((run) => run.cpuSeconds),
  );
  return {
    ...shape,
    workers,
    tasksPerSecond,
    tasksPerCpuSecond,
    ...compared(tasksPerSecond, peer),
  };
}

function perSecond({ tasks }: Shape, seconds: readonly number[]): number {
  return Math.round(tasks / middle(seconds));
}

export function schedulerTable({ rows, oneMoreCpuMs, oneMoreCpuMsAsked }: Results): string {
  const lines = rows.map((row) => {
    const asks = [row.constraints && 'constraint', row.preferences && 'preference']
      .filter((ask) => ask !== false)
      .join(', ');
    const ratio = row.ratio === undefined ? '' : `${row.ratio}× (asked ${row.ratioAsked}×)`;
    const peer = row.swarmkitTasksPerSecond ?? '';
    const step = row.stepTasksPerSecond ?? '';
    return `| ${row.nodes} × ${row.tasks} | ${row.tasksPerService} | ${asks} | ${row.workers} | ${row.tasksPerSecond} | ${row.tasksPerCpuSecond} | ${step} | ${peer} | ${ratio} |`;
  });
  return [
    'The scheduler and the state machine alone: from the first look at a cluster with every task pending to the',
    'last assignment applied to the state. SwarmKit: its own BenchmarkScheduler*, Go, on such a machine on another day;',
    'how fast that one was that day is not known, and such machines vary by a third.',
    '',
    '| nodes × tasks | tasks a service | asks for | workers | tasks/s | tasks per CPU s | scheduler alone | SwarmKit | ratio |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    `One more task among 100 000 on 10 000 nodes: ${oneMoreCpuMs} ms of CPU (asked: under ${oneMoreCpuMsAsked} ms).`,
    '',
  ].join('\n');
}
