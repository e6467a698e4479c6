import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';
import { flagOf } from './placement.ts';

/** `true` on the cluster or a service: tasks may be moved to nodes that have fewer. */
export const rebalanceLabel = 'shoal.rebalance';
/** On the cluster or a service: how many moves an hour may see in the whole cluster. */
export const movesPerHourLabel = 'shoal.rebalance.moves-per-hour';

export const movesPerHourDefault = 30;
export const movesPerHourMax = 3_600;

/** Key of the decisions and wakes about rebalancing: one replica of the orchestrator makes them all. */
export const rebalanceKey = 'rebalance';

/** Undefined for what is absent or malformed. */
export function movesPerHourOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,4}$/.test(text)) return undefined;
  const moves = Number(text);
  return moves >= 1 && moves <= movesPerHourMax ? moves : undefined;
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkRebalanceLabels(labels: Labels): string | undefined {
  const flag = labels[rebalanceLabel];
  if (flag !== undefined && flagOf(flag) === undefined)
    return labelFault(rebalanceLabel, flag, 'true or false');
  const moves = labels[movesPerHourLabel];
  if (moves !== undefined && movesPerHourOf(moves) === undefined)
    return labelFault(movesPerHourLabel, moves, `a whole number from 1 to ${movesPerHourMax}`);
  return undefined;
}
