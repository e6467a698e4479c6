import { execFileSync } from 'node:child_process';
import { cpus, release } from 'node:os';
import { type LogResult, logTable, measureLog } from '../log/report.ts';
import { measureServiceLife, type ServiceLifeResult } from './service-life.ts';
import { median, spread } from './statistics.ts';

export interface MainJobResult {
  /** Median milliseconds of each side, and ours over theirs. */
  readonly rows: readonly Row[];
  readonly serviceLife: ServiceLifeResult;
  readonly log: LogResult;
}

interface Row {
  readonly what: string;
  readonly shoalMs: number;
  readonly swarmMs: number;
  readonly ratio: number;
  /** At most this. */
  readonly target: number;
}

const targets = { create: 0.8, scale: 0.95 } as const;
const logTargets = { oneProposer: 0.4, thousandProposers: 50_000 } as const;

export async function measureMainJob(): Promise<MainJobResult> {
  const serviceLife = await measureServiceLife();
  const { shoal, swarm } = serviceLife;
  return {
    rows: [
      row('service create → RUNNING', shoal.createMs, swarm.createMs, targets.create),
      row('scale 1 → 50', shoal.scaleMs, swarm.scaleMs, targets.scale),
    ],
    serviceLife,
    log: await measureLog(),
  };
}

function row(
  what: string,
  ours: readonly number[],
  theirs: readonly number[],
  target: number,
): Row {
  const shoalMs = median(ours);
  const swarmMs = median(theirs);
  return { what, shoalMs, swarmMs, ratio: shoalMs / swarmMs, target };
}

/** The result as Markdown, with what it was measured on. */
export function mainJobTable({ rows, serviceLife: { shoal, swarm }, log }: MainJobResult): string {
  const times = [
    [shoal.createMs, swarm.createMs],
    [shoal.scaleMs, swarm.scaleMs],
  ] as const;
  const lines = rows.map(({ what, ratio, target }, at) => {
    const [ours = [], theirs = []] = times[at] ?? [];
    const verdict = ratio <= target ? 'met' : 'missed';
    return `| ${what} | ${spread(ours)} | ${spread(theirs)} | ${ratio.toFixed(2)}× | ≤ ${target}× | ${verdict} |`;
  });
  const [one, , thousand] = log.rates;
  const share = (one?.commitsPerSecond ?? 0) / log.flushesPerSecond;
  const commits = thousand?.commitsPerSecond ?? 0;
  return [
    `Shoal and Docker’s own Swarm mode in turns on one machine: ${machine()}.`,
    'Milliseconds, median (smallest–largest).',
    '',
    '| | Shoal | Swarm mode | ratio | target | |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    logTable(log),
    `One proposer: ${share.toFixed(2)}× of the disk’s flushes, target ≥ ${logTargets.oneProposer}×, ${share >= logTargets.oneProposer ? 'met' : 'missed'}. ` +
      `1 000 proposers: ${commits.toFixed(0)} commits/s, target ≥ ${logTargets.thousandProposers}, ${commits >= logTargets.thousandProposers ? 'met' : 'missed'}.`,
    '',
  ].join('\n');
}

function machine(): string {
  const engine = execFileSync('dockerd', ['--version'], { encoding: 'utf8' });
  const version = /version ([^,]+)/.exec(engine)?.[1] ?? 'unknown';
  return `${cpus().length} cores, Linux ${release()}, Node.js ${process.version}, Docker Engine ${version}`;
}
