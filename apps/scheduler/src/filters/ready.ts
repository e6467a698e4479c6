import type { Node } from '@shoal/state';
import type { Candidate } from '../candidate.ts';
import { countOfNodes, type Filter } from './filter.ts';

export function isReady({ status, spec }: Node): boolean {
  return status.state === 'ready' && spec.Availability === 'active';
}

/** A node that is switched off on purpose is farther than one that may come back by itself. */
function whyNot({ status, spec }: Node): string {
  if (spec.Availability === 'drain') return 'is drained';
  if (spec.Availability === 'pause') return 'is paused';
  return status.state === 'down' ? 'is down' : `is in state ${status.state}`;
}

function nodeIsReady({ node }: Candidate): boolean {
  return isReady(node);
}

/** A node must be up and open for new work. */
export const readyFilter: Filter = {
  prepare: () => nodeIsReady,
  explain: (nodes) => `${countOfNodes(nodes)} not available for new tasks`,
  lack: (_needs, { node }) => ({ distance: 2, words: whyNot(node) }),
  terrain: () => '',
};
