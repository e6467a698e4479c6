import type { Labels, ServiceSpec } from '../spec.ts';
import { labelFault } from './fault.ts';

/** Label of services: how many of their tasks an update replaces before somebody says that the rest may follow. */
export const canaryLabel = 'shoal.update.canary';

/** Largest number of tasks that a label may name. */
const canaryMax = 1_000_000;

/** Of so many tasks, how many an update may replace; undefined when it may replace all. At least one. */
export function canarySize(labels: Labels, tasks: number): number | undefined {
  const [, count = '', percent] = /^([1-9]\d{0,6})(%)?$/.exec(labels[canaryLabel] ?? '') ?? [];
  if (count === '') return undefined;
  if (percent === undefined) return Number(count) <= canaryMax ? Number(count) : undefined;
  return Number(count) < 100 ? Math.ceil((tasks * Number(count)) / 100) : undefined;
}

/** What is wrong with the label, in one sentence; undefined when nothing is. */
export function checkCanaryLabel({
  Mode,
  Labels,
}: Pick<ServiceSpec, 'Mode' | 'Labels'>): string | undefined {
  const text = Labels[canaryLabel];
  if (text === undefined) return undefined;
  if (canarySize(Labels, 1) === undefined)
    return labelFault(canaryLabel, text, `a number of tasks from 1 to ${canaryMax}, or 1% to 99%`);
  const goesOn = Mode.Replicated !== undefined || Mode.Global !== undefined;
  return goesOn
    ? undefined
    : `label ${canaryLabel} is for services that go on: a job is not updated task by task`;
}
