import { type Measured, measureAlone, measureOneMore } from './alone.ts';
import { type Compared, type Peer, shapes, warmUp, warmUpRuns } from './shapes.ts';
import { SharedLog } from './shared-log.ts';
import { type Swarmkit, swarmkitOrNone } from './swarmkit.ts';
import type { Shape } from './world.ts';

/** One line of the result. */
export interface Result extends Shape {
  readonly workers: number;
  /** From the first step to the last assignment in the state; the middle of the runs. */
  readonly tasksPerSecond: number;
  /** Tasks per second of CPU time of the process, all its threads, instead of the clock's. */
  readonly tasksPerCpuSecond: number;
  /** The scheduler alone, without the state machine; one worker only. */
  readonly stepTasksPerSecond?: number;
  readonly swarmkitTasksPerSecond?: number;
  /** How many times SwarmKit's figure. */
  readonly ratio?: number;
  readonly ratioAsked?: number;
}

/** Times that the two sides are measured in turns; the middle of all counts. */
const turnsBesidePeer = 3;

/** Runs of ours in one turn. */
function runsOf({ tasks, nodes }: Shape): number {
  if (nodes + tasks <= 2_000) return 9;
  return nodes + tasks <= 20_000 ? 5 : 2;
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** What SwarmKit does: where it cannot be run, what it did on another day. */
class Peers {
  readonly #swarmkit: Swarmkit | undefined;
  readonly #known = new Map<string, number>();

  constructor(swarmkit: Swarmkit | undefined) {
    this.#swarmkit = swarmkit;
  }

  get isHere(): boolean {
    return this.#swarmkit !== undefined;
  }

  /** Tasks per second; undefined where it cannot be run and no figure is known. */
  async measure(peer: Peer, { tasks }: Shape): Promise<number | undefined> {
    const known = this.#known.get(peer.benchmark);
    if (known !== undefined) return known;
    if (this.#swarmkit === undefined) return peer.tasksPerSecond;
    const tasksPerSecond = tasks / (await this.#swarmkit.secondsOf(peer.benchmark));
    if (peer.once) this.#known.set(peer.benchmark, tasksPerSecond);
    return tasksPerSecond;
  }
}

export interface Results {
  readonly rows: readonly Result[];
  /** CPU milliseconds for one more task among 100 000 on 10 000 nodes: the middle of the runs. */
  readonly oneMoreCpuMs: number;
  readonly oneMoreCpuMsAsked: number;
  /** Whether SwarmKit's figures are of this run. */
  readonly isPeerHere: boolean;
}

/** 100 services of 1 000 tasks. */
const settled: Shape = { ...warmUp, nodes: 10_000, tasks: 100_000, tasksPerService: 1_000 };
const oneMoreRuns = 200;
const oneMoreCpuMsAsked = 5;

const workersMost = 2;

/** Every shape with one scheduler in this thread, and with two in threads of their own. */
export async function measureScheduler(
  tell: (result: Result) => void,
  say: (line: string) => void,
): Promise<Results> {
  const peers = new Peers(swarmkitOrNone(say));
  for (let run = 0; run < warmUpRuns; run += 1) measureAlone(warmUp);
  const rows: Result[] = [];
  const add = (row: Result): void => {
    rows.push(row);
    tell(row);
  };
  for (const compared of shapes) {
    const { runs, row } = await inTurns(peers, compared, 1, (shape) => measureAlone(shape));
    const steps = runs.map(({ stepSeconds }) => stepSeconds);
    add({ ...row, stepTasksPerSecond: perSecond(compared.shape, steps) });
  }
  const log = await SharedLog.start(workersMost);
  try {
    for (let run = 0; run < warmUpRuns; run += 1) await log.measure(warmUp);
    for (const compared of shapes) {
      if (compared.shape.tasks < 10_000) continue;
      add((await inTurns(peers, compared, workersMost, (shape) => log.measure(shape))).row);
    }
  } finally {
    await log.stop();
  }
  const oneMoreCpuMs = Math.round(1_000 * middle(measureOneMore(settled, oneMoreRuns))) / 1_000;
  return { rows, oneMoreCpuMs, oneMoreCpuMsAsked, isPeerHere: peers.isHere };
}

type Timed = Omit<Measured, 'stepSeconds'>;

/** Both sides of one shape, in turns: the machine may be faster or slower from one minute to the next. */
async function inTurns<T extends Timed>(
  peers: Peers,
  { shape, peer }: Compared,
  workers: number,
  measure: (shape: Shape) => T | Promise<T>,
): Promise<{ readonly runs: readonly T[]; readonly row: Result }> {
  const runs: T[] = [];
  const theirs: number[] = [];
  const turns = peer === undefined ? 1 : turnsBesidePeer;
  for (let turn = 0; turn < turns; turn += 1) {
    const their = peer && (await peers.measure(peer, shape));
    if (their !== undefined) theirs.push(their);
    for (let run = 0; run < runsOf(shape); run += 1) runs.push(await measure(shape));
  }
  const seconds = runs.map((run) => run.seconds);
  const cpuSeconds = runs.map((run) => run.cpuSeconds);
  const tasksPerSecond = perSecond(shape, seconds);
  const row = {
    ...shape,
    workers,
    tasksPerSecond,
    tasksPerCpuSecond: perSecond(shape, cpuSeconds),
    ...(peer && theirs.length > 0 && beside(tasksPerSecond, middle(theirs), peer.factor)),
  };
  return { runs, row };
}

function beside(ours: number, theirs: number, ratioAsked: number) {
  const ratio = Math.round((ours / theirs) * 10) / 10;
  return { swarmkitTasksPerSecond: Math.round(theirs), ratio, ratioAsked };
}

function perSecond({ tasks }: Shape, seconds: readonly number[]): number {
  return Math.round(tasks / middle(seconds));
}

export function schedulerTable(results: Results): string {
  const { rows, oneMoreCpuMs, oneMoreCpuMsAsked, isPeerHere } = results;
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
    isPeerHere
      ? 'last assignment applied to the state. SwarmKit: its own BenchmarkScheduler*, Go, in turns with ours in the same run.'
      : 'last assignment applied to the state. SwarmKit: its own BenchmarkScheduler*, Go, on such a machine on another day.',
    '',
    '| nodes × tasks | tasks a service | asks for | workers | tasks/s | tasks per CPU s | scheduler alone | SwarmKit | ratio |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    `One more task among 100 000 on 10 000 nodes: ${oneMoreCpuMs} ms of CPU (asked: under ${oneMoreCpuMsAsked} ms).`,
    '',
  ].join('\n');
}
