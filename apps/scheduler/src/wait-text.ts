import type { Candidate } from './candidate.ts';
import type { Pipeline } from './filters/pipeline.ts';

/** Longest text of a waiting task, characters. */
export const waitTextCharsMax = 300;

/** Why tasks have no node: Swarm's words, then the nearest node and what it lacks. */
export function noSuitableNode(explanation: string, nearest: string): string {
  const swarms = explanation === '' ? 'no suitable node' : `no suitable node (${explanation})`;
  return bounded(nearest === '' ? swarms : `${swarms}: ${nearest}`);
}

/** Why the one node that a task was made for is unfit. */
export function unfitNode(explanation: string, candidate: Candidate, pipeline: Pipeline): string {
  const { words } = pipeline.lacks(candidate);
  return bounded(words === '' ? explanation : `${explanation}: ${nameOf(candidate)} ${words}`);
}

export function nearestWords(candidate: Candidate, pipeline: Pipeline): string {
  const { words } = pipeline.lacks(candidate);
  return words === '' ? '' : `${nameOf(candidate)} is closest, it ${words}`;
}

/** The node as people know it. */
function nameOf({ id, node }: Candidate): string {
  return node.description?.Hostname || id;
}

function bounded(text: string): string {
  return text.length <= waitTextCharsMax ? text : `${text.slice(0, waitTextCharsMax - 1)}…`;
}
