import { compareWithEtcd } from './comparison.ts';
import { type FanOut, measureFanOut } from './fan-out.ts';
import { type Row, ratioMin, valueBytes } from './points.ts';
import { type LogResult, logTable, measureLog } from './report.ts';

export interface LogComparison {
  readonly rows: readonly Row[];
  readonly fanOut: FanOut;
  /** One voter's log without a network, beside the disk's own flushes. */
  readonly flush: LogResult;
}

/** Beside etcd, with followers, and beside the disk. */
export async function compareLog(rounds: number): Promise<LogComparison> {
  return {
    rows: await compareWithEtcd(rounds),
    fanOut: await measureFanOut(rounds),
    flush: await measureLog(),
  };
}

/** The result as Markdown. */
export function comparisonTable({ rows, fanOut, flush }: LogComparison): string {
  return [
    `Values of ${valueBytes} bytes over the leader’s own protocol, on loopback, in turns with etcd’s puts. Target at every point: ≥ ${ratioMin}×.`,
    '',
    '| voters | proposers | commits/s | p50 / p99 ms | etcd puts/s | p50 / p99 ms | ratio | |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map(lineOf),
    '',
    fanOutText(fanOut),
    '',
    logTable(flush),
  ].join('\n');
}

function lineOf(row: Row): string {
  const { voters, proposers, commitsPerSecond, etcdPerSecond, ratio } = row;
  const cells = [
    `${voters}`,
    `${proposers}`,
    commitsPerSecond.toFixed(0),
    `${row.p50Ms.toFixed(2)} / ${row.p99Ms.toFixed(2)}`,
    etcdPerSecond.toFixed(0),
    `${row.etcdP50Ms.toFixed(2)} / ${row.etcdP99Ms.toFixed(2)}`,
    `${ratio.toFixed(2)}×`,
    ratio >= ratioMin ? 'met' : 'missed',
  ];
  return `| ${cells.join(' | ')} |`;
}

function fanOutText(fanOut: FanOut): string {
  const { voters, followers, proposers, commitsPerSecond, p50Ms, p99Ms } = fanOut;
  return (
    `${followers} followers of the leader of ${voters} voters, ${proposers} proposers: ${commitsPerSecond.toFixed(0)} commits/s ` +
    `(p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms), ${fanOut.deliveredPerSecond.toFixed(0)}/s delivered to every one of them, ` +
    `which had the last one ${fanOut.behindMs.toFixed(0)} ms after it was acknowledged; together they got ` +
    `${fanOut.entriesPerSecond.toFixed(0)} entries/s, ${fanOut.megabytesPerSecond.toFixed(0)} MB/s.`
  );
}
