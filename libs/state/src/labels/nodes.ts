import type { Labels } from '../spec.ts';
import { parseDuration } from './duration.ts';
import { labelFault } from './fault.ts';

/** On the cluster: a worker that is down for so long is removed, as by `docker node rm`. */
export const removeAfterLabel = 'shoal.nodes.remove-after';

/** Shortest time, milliseconds: a host that is only restarted is back by then. */
const removeAfterMsMin = 10_000;
/** Longest time, milliseconds: a hundred years. */
const removeAfterMsMax = 100 * 365 * 86_400_000;

/** Milliseconds; undefined for what is absent or malformed: then nodes stay until somebody removes them. */
export function removeAfterMs(labels: Labels): number | undefined {
  const text = labels[removeAfterLabel];
  const parsed = text === undefined ? undefined : parseDuration(text);
  if (parsed?.kind !== 'duration') return undefined;
  const isAllowed = parsed.ms >= removeAfterMsMin && parsed.ms <= removeAfterMsMax;
  return isAllowed ? parsed.ms : undefined;
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkNodeLabels(labels: Labels): string | undefined {
  const text = labels[removeAfterLabel];
  return text === undefined || removeAfterMs(labels) !== undefined
    ? undefined
    : labelFault(removeAfterLabel, text, 'a time of 10s or more, such as 72h');
}
