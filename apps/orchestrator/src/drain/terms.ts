import { drainSettings, type Node, type Revision } from '@shoal/state';

/** Tasks moved at a time when no label says it. */
const drainParallelismDefault = 1;

/** How tasks of one service leave one node. The node's labels win over the service's. */
export interface DrainTerms {
  readonly order: 'start-first' | 'stop-first';
  readonly parallelism: number;
  /** What the parallelism counts: all tasks of the node, or those of the service wherever they are. */
  readonly scope: 'node' | 'service';
  /** Undefined: as long as it takes. Milliseconds from the begin of the drain. */
  readonly deadlineMs: number | undefined;
}

export function drainTerms(node: Node, revision: Revision): DrainTerms {
  const ofNode = drainSettings(node.spec.Labels);
  const ofService = drainSettings(revision.spec.Labels);
  const nodeSays = ofNode.parallelism !== undefined;
  const serviceSays = ofService.parallelism !== undefined;
  return {
    order: ofNode.order ?? ofService.order ?? 'stop-first',
    parallelism: ofNode.parallelism ?? ofService.parallelism ?? drainParallelismDefault,
    scope: nodeSays || (!serviceSays && ofNode.order !== undefined) ? 'node' : 'service',
    deadlineMs: ofNode.deadlineMs ?? ofService.deadlineMs,
  };
}
