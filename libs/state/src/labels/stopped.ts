import type { Labels, ServiceSpec } from '../spec.ts';
import { parseSchedule } from './cron.ts';
import { labelFault } from './fault.ts';
import { flagOf } from './placement.ts';

/** Label of services: `true` takes all tasks away, and leaves everything else as it is asked for. */
export const stoppedLabel = 'shoal.stopped';

export function isStopped(labels: Labels): boolean {
  return flagOf(labels[stoppedLabel]) === true;
}

/** What is wrong with the label, in one sentence; undefined when nothing is. */
export function checkStoppedLabel({
  Mode,
  Labels,
}: Pick<ServiceSpec, 'Mode' | 'Labels'>): string | undefined {
  const text = Labels[stoppedLabel];
  if (text === undefined) return undefined;
  if (flagOf(text) === undefined) return labelFault(stoppedLabel, text, 'true or false');
  const goesOn = Mode.Replicated !== undefined || Mode.Global !== undefined;
  return goesOn || parseSchedule(Labels).kind === 'schedule'
    ? undefined
    : `label ${stoppedLabel} is for services that go on, and for jobs with a schedule: this job ends by itself`;
}
