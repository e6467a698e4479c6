export interface Figures {
  readonly ours: number;
  /** Null where the peer could not do it, or has no such thing. */
  readonly peer: number | null;
}

/** One figure of both sides. */
export interface Row extends Figures {
  readonly name: string;
  readonly unit: 'per s' | 's' | 'ms' | 'MB';
  /** Ours over the peer's. */
  readonly ratio: number | null;
  /** Of the ratio, or of our figure alone. */
  readonly target?: Target;
  /** CPU time of one request, or one task, with all that follows from it; milliseconds. */
  readonly cpuMs?: Figures;
}

export interface Target {
  readonly of: 'ratio' | 'ours';
  readonly atLeast?: number;
  readonly atMost?: number;
}

export function row(
  name: string,
  unit: Row['unit'],
  figures: Figures,
  target?: Target,
  cpuMs?: Figures,
): Row {
  const { ours, peer } = figures;
  const ratio = peer === null ? null : ours / peer;
  return { name, unit, ours, peer, ratio, ...(target && { target }), ...(cpuMs && { cpuMs }) };
}

/** Whether the row meets its target; undefined when it has none, or nothing to compare with. */
export function isMet({ target, ours, ratio }: Row): boolean | undefined {
  const figure = target?.of === 'ours' ? ours : ratio;
  if (target === undefined || figure === null) return undefined;
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
  return figure >= atLeast && figure <= atMost;
}

export const tableHead = [
  '| | Shoal | Swarm mode | ratio | target | | CPU of Shoal, each | of Swarm mode |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |',
] as const;

export function rowLine(one: Row): string {
  const { name, unit, ours, peer, ratio, target, cpuMs } = one;
  const cells = [
    name,
    `${rounded(ours)} ${unit}`,
    peer === null ? '' : `${rounded(peer)} ${unit}`,
    ratio === null ? '' : `${ratio.toFixed(2)}×`,
    target === undefined ? '' : targetText(target, unit),
    { true: 'met', false: 'missed', undefined: '' }[`${isMet(one)}`],
    cpuText(cpuMs?.ours),
    cpuText(cpuMs?.peer),
  ];
  return `| ${cells.join(' | ')} |`;
}

function targetText({ of, atLeast, atMost }: Target, unit: string): string {
  const figure = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  return of === 'ratio' ? `${figure}×` : `${figure} ${unit}`;
}

function cpuText(ms: number | null | undefined): string {
  return ms === undefined || ms === null ? '' : `${rounded(ms)} ms`;
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
