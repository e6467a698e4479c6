import type { Instant } from '@shoal/runtime';
import type { Revision, StateView } from '@shoal/state';
import { Board } from '../board.ts';
import type { Candidate } from '../candidate.ts';
import { filterNames, type Pipeline } from '../filters/pipeline.ts';
import { Ledger } from '../ledger.ts';
import { scoreFor } from '../policies/score.ts';
import type { Score } from '../scored.ts';
import { candidatesMax, type Look, type NodeRecord } from './decision.ts';

interface Judge {
  readonly pipeline: Pipeline;
  readonly score: Score | undefined;
  readonly suspects: ReadonlyMap<string, number>;
  readonly serviceId: string;
}

/** Judges every node for the revision, as the board has them. */
export function lookAt(board: Board, revision: Revision): Look {
  const pipeline = board.pipeline(revision);
  const judge: Judge = {
    pipeline,
    score: scoreFor(pipeline.needs),
    suspects: board.ledger.suspects(revision, board.now),
    serviceId: revision.serviceId,
  };
  const failed = filterNames.map(() => 0);
  const records: { readonly candidate: Candidate; readonly record: NodeRecord }[] = [];
  for (const candidate of board.all()) {
    const at = pipeline.judge(candidate);
    if (at !== undefined) failed[at] = (failed[at] ?? 0) + 1;
    records.push({ candidate, record: recordOf(judge, candidate, at) });
  }
  records.sort((a, b) => compareRecords(a.record, b.record));
  return {
    filters: filterNames
      .map((filter, at) => ({ filter, nodes: failed[at] ?? 0 }))
      .filter(({ nodes }) => nodes > 0),
    candidates: records
      .slice(0, candidatesMax)
      .map(({ candidate, record }) => withLacks(pipeline, candidate, record)),
    nodes: records.length,
    fitting: records.filter(({ record }) => record.fails === '').length,
  };
}

/** Judges every node for the revision from a state alone: slow, for it goes through every task. */
export function lookAfresh(view: StateView, revision: Revision, now: Instant): Look {
  const ledger = new Ledger();
  ledger.rebuild(view);
  const board = new Board(view, ledger);
  board.begin(view, now);
  return lookAt(board, revision);
}

function recordOf(judge: Judge, candidate: Candidate, failedAt: number | undefined): NodeRecord {
  return {
    nodeId: candidate.id,
    fails: failedAt === undefined ? '' : (filterNames[failedAt] ?? ''),
    lacks: '',
    ofService: candidate.tasksOf(judge.serviceId),
    total: candidate.tasks,
    failures: judge.suspects.get(candidate.id) ?? 0,
    score: judge.score?.(candidate),
  };
}

/** Words are made for the few that are kept. */
function withLacks(pipeline: Pipeline, candidate: Candidate, record: NodeRecord): NodeRecord {
  return record.fails === '' ? record : { ...record, lacks: pipeline.lacks(candidate).words };
}

function compareRecords(a: NodeRecord, b: NodeRecord): number {
  return (
    Number(a.fails !== '') - Number(b.fails !== '') ||
    a.failures - b.failures ||
    (b.score ?? 0) - (a.score ?? 0) ||
    a.ofService - b.ofService ||
    a.total - b.total ||
    (a.nodeId < b.nodeId ? -1 : 1)
  );
}
