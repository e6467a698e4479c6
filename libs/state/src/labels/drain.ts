import type { Labels } from '../spec.ts';
import { parseDuration } from './duration.ts';
import { labelFault } from './fault.ts';

/** Labels of nodes and services that say how tasks leave a node that is drained. */
export const drainLabels = {
  order: 'shoal.drain.order',
  parallelism: 'shoal.drain.parallelism',
  deadline: 'shoal.drain.deadline',
} as const;

/** Largest parallelism of a drain, tasks. */
const drainParallelismMax = 10_000;

/** What the labels say; what they do not say, or say in a malformed way, is absent. */
export interface DrainSettings {
  readonly order?: 'start-first' | 'stop-first' | undefined;
  /** Tasks that are moved at a time, from 1. */
  readonly parallelism?: number | undefined;
  /** After it what is left stops first; milliseconds from the begin of the drain. */
  readonly deadlineMs?: number | undefined;
}

const read = new WeakMap<Labels, DrainSettings>();

/** Read once for each set of labels. */
export function drainSettings(labels: Labels): DrainSettings {
  let settings = read.get(labels);
  if (settings === undefined) {
    settings = {
      order: orderOf(labels[drainLabels.order]),
      parallelism: parallelismOf(labels[drainLabels.parallelism]),
      deadlineMs: deadlineOf(labels[drainLabels.deadline]),
    };
    read.set(labels, settings);
  }
  return settings;
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkDrainLabels(labels: Labels): string | undefined {
  const { order, parallelism, deadlineMs } = drainSettings(labels);
  return (
    malformed(labels, drainLabels.order, order, 'start-first or stop-first') ??
    malformed(
      labels,
      drainLabels.parallelism,
      parallelism,
      `a whole number from 1 to ${drainParallelismMax}`,
    ) ??
    malformed(labels, drainLabels.deadline, deadlineMs, 'a duration such as 90s or 1h30m')
  );
}

function malformed(
  labels: Labels,
  name: string,
  value: string | number | undefined,
  allowed: string,
): string | undefined {
  const text = labels[name];
  if (text === undefined || value !== undefined) return undefined;
  return labelFault(name, text, allowed);
}

function orderOf(text: string | undefined): DrainSettings['order'] {
  return text === 'start-first' || text === 'stop-first' ? text : undefined;
}

function parallelismOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const count = Number(text);
  return count >= 1 && count <= drainParallelismMax ? count : undefined;
}

function deadlineOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const parsed = parseDuration(text);
  return parsed.kind === 'duration' ? parsed.ms : undefined;
}
