import type { RecordService } from '../endpoint-record.ts';
import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';

/** Labels of services that say how requests come to their tasks. */
export const balancingLabels = {
  source: 'shoal.ingress.source-ip',
  balance: 'shoal.balance',
} as const;

const sources = ['keep', 'masquerade', 'proxy-protocol'] as const;
const ways = ['rr', 'lc', 'sh'] as const;

/** What the labels say besides the defaults; what is malformed says nothing. */
export function balancingOf(labels: Labels): Pick<RecordService, 'sourceAddress' | 'balance'> {
  const source = sources.find((known) => known === labels[balancingLabels.source]);
  const balance = ways.find((known) => known === labels[balancingLabels.balance]);
  return {
    ...(source !== undefined && source !== 'keep' && { sourceAddress: source }),
    ...(balance !== undefined && balance !== 'rr' && { balance }),
  };
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkBalancingLabels(labels: Labels): string | undefined {
  return (
    unknown(labels, balancingLabels.source, sources, 'keep, masquerade or proxy-protocol') ??
    unknown(labels, balancingLabels.balance, ways, 'rr, lc or sh')
  );
}

function unknown(
  labels: Labels,
  name: string,
  known: readonly string[],
  allowed: string,
): string | undefined {
  const value = labels[name];
  return value === undefined || known.includes(value)
    ? undefined
    : labelFault(name, value, allowed);
}
