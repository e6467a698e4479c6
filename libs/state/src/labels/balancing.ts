import { familyBits, parseAddress } from '../address/address.ts';
import { type Cidr, formatCidr, networkOf, parseCidr, rangeOf } from '../address/cidr.ts';
import type { RecordService } from '../endpoint-record.ts';
import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';

/** Labels of services that say how requests come to their tasks. */
export const balancingLabels = {
  source: 'shoal.ingress.source-ip',
  balance: 'shoal.balance',
  allow: 'shoal.ingress.allow',
} as const;

const sources = ['keep', 'masquerade', 'proxy-protocol'] as const;
const ways = ['rr', 'lc', 'sh'] as const;
/** Subnets that one service may name. */
const allowedMax = 64;

/** What the labels say besides the defaults; what is malformed says nothing. */
export function balancingOf(
  labels: Labels,
): Pick<RecordService, 'sourceAddress' | 'balance' | 'allowed'> {
  const source = sources.find((known) => known === labels[balancingLabels.source]);
  const balance = ways.find((known) => known === labels[balancingLabels.balance]);
  const allowed = allowedOf(labels);
  return {
    ...(source !== undefined && source !== 'keep' && { sourceAddress: source }),
    ...(balance !== undefined && balance !== 'rr' && { balance }),
    ...(allowed !== undefined && { allowed }),
  };
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkBalancingLabels(labels: Labels): string | undefined {
  return (
    unknown(labels, balancingLabels.source, sources, 'keep, masquerade or proxy-protocol') ??
    unknown(labels, balancingLabels.balance, ways, 'rr, lc or sh') ??
    badAllowed(labels)
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

function badAllowed(labels: Labels): string | undefined {
  const text = labels[balancingLabels.allow];
  return text === undefined || allowedOf(labels) !== undefined
    ? undefined
    : labelFault(
        balancingLabels.allow,
        text,
        `up to ${allowedMax} addresses or subnets separated by commas, such as 10.0.0.0/8,2001:db8::1`,
      );
}

const read = new WeakMap<Labels, readonly string[]>();

/** Undefined where the label is absent or malformed; read once for each set of labels. */
function allowedOf(labels: Labels): readonly string[] | undefined {
  const text = labels[balancingLabels.allow];
  if (text === undefined) return undefined;
  const known = read.get(labels);
  if (known !== undefined) return known;
  const parts = text.split(',', allowedMax + 1);
  const subnets = parts.flatMap((part) => subnetOf(part.trim()) ?? []);
  if (subnets.length !== parts.length || parts.length > allowedMax) return undefined;
  const allowed = widest(subnets).map(formatCidr).sort();
  read.set(labels, allowed);
  return allowed;
}

/** An address stands for itself alone; bits behind the prefix say nothing. */
function subnetOf(text: string): Cidr | undefined {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return networkOf(cidr);
  const address = parseAddress(text);
  return address && { address, prefix: familyBits[address.family] };
}

/** Without those that lie in another one: the kernel takes no sets that overlap. */
function widest(subnets: readonly Cidr[]): readonly Cidr[] {
  const kept: Cidr[] = [];
  for (const subnet of subnets.toSorted((a, b) => a.prefix - b.prefix)) {
    const { family, first } = rangeOf(subnet);
    const isInside = kept.some((other) => {
      const range = rangeOf(other);
      return range.family === family && range.first <= first && first <= range.last;
    });
    if (!isInside) kept.push(subnet);
  }
  return kept;
}
