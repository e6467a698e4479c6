import type { Autoscale, Task, TaskLoad } from '@shoal/state';

/** Share by which the average may miss what is aimed at before anything changes, as Kubernetes' autoscaler has it. */
const tolerance = 0.1;

/** How many tasks the load asks for, bounds aside. */
export interface Need {
  readonly tasks: number;
  /** What was measured: one sentence for people. */
  readonly reason: string;
}

interface Measure {
  /** Of each task. */
  readonly aim: number;
  readonly of: (load: TaskLoad) => number;
  readonly text: (amount: number) => string;
}

/**
 * By the rule of Kubernetes' horizontal autoscaler: as many tasks as bring the average to what is aimed at; of
 * several measures the one that asks for most. Of tasks whose load is not known it is assumed that they use nothing
 * where there would be more tasks, and all that is aimed at where there would be fewer. Undefined when no load is known.
 *
 * @param tasks how many there are to be now
 */
export function needOf(
  loads: readonly TaskLoad[],
  tasks: number,
  autoscale: Autoscale,
): Need | undefined {
  if (loads.length === 0) return undefined;
  const needs = measuresOf(autoscale).map((measure) => needBy(measure, loads, tasks));
  return needs.reduce((most, need) => (need.tasks > most.tasks ? need : most));
}

function needBy({ aim, of, text }: Measure, loads: readonly TaskLoad[], tasks: number): Need {
  const sum = loads.reduce((total, load) => total + of(load), 0);
  const unknown = Math.max(tasks - loads.length, 0);
  const reason = `tasks use ${text(sum / loads.length)} each, of ${text(aim)} to aim at`;
  const isMore = sum > loads.length * aim;
  const assumed = isMore ? sum : sum + unknown * aim;
  const ratio = assumed / (Math.max(tasks, loads.length) * aim);
  const isNear = isMore ? ratio <= 1 + tolerance : ratio >= 1 - tolerance;
  // Binary fractions must not make one task more of what comes out even.
  return { tasks: isNear ? tasks : Math.max(Math.ceil(assumed / aim - 1e-9), 0), reason };
}

function measuresOf({ processors, memoryBytes }: Autoscale): readonly Measure[] {
  const measures: Measure[] = [];
  if (processors !== undefined)
    measures.push({
      aim: processors,
      of: (load) => load.processors,
      text(amount) {
        const rounded = Number(amount.toPrecision(2));
        return `${rounded} ${rounded === 1 ? 'processor' : 'processors'}`;
      },
    });
  if (memoryBytes !== undefined)
    measures.push({
      aim: memoryBytes,
      of: (load) => load.memoryBytes,
      text: (amount) => `${Number((amount / 2 ** 20).toPrecision(3))} MiB`,
    });
  return measures;
}

/** What is known of the load of the tasks that run: of each slot the newest. */
export function loadsOf(tasks: Iterable<Task>): readonly TaskLoad[] {
  const loads = new Map<number, TaskLoad>();
  for (const { slot, desired, status } of tasks)
    if (desired === 'running' && status.state === 'running' && status.load !== undefined)
      loads.set(slot, status.load);
  return [...loads.values()];
}
