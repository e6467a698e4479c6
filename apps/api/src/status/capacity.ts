import { capacityOf, type Node, type StateView } from '@shoal/state';
import type { z } from 'zod';
import type { capacity } from '../openapi/answers/capacity.ts';
import { nodeName } from '../plan/outcome.ts';

export type Capacity = z.output<typeof capacity>;
type NodeCapacity = Capacity['nodes'][number];

/** What every node has, and what its tasks have reserved of it: as the scheduler counts. */
export function capacityOfNodes(view: StateView): Capacity {
  const nodes = [...view.nodes.values()].map((node) => ofNode(view, node));
  const counting = nodes.filter(
    ({ state, availability }) => state === 'ready' && availability === 'active',
  );
  return {
    logIndex: view.index,
    total: {
      nodes: counting.length,
      tasks: sum(counting.map(({ tasks }) => tasks)),
      nanoCpus: sumOf(counting.map(({ nanoCpus }) => nanoCpus)),
      memoryBytes: sumOf(counting.map(({ memoryBytes }) => memoryBytes)),
    },
    nodes,
  };
}

function ofNode(view: StateView, node: Node): NodeCapacity {
  const has = capacityOf(node);
  const used = view.usage(node.id);
  const kinds = new Set([...has.generic.keys(), ...used.generic.keys()]);
  return {
    node: nodeName(view, node.id),
    state: node.status.state,
    availability: node.spec.Availability,
    tasks: used.tasks,
    nanoCpus: { has: has.nanoCpus, reserved: used.nanoCpus },
    memoryBytes: { has: has.memoryBytes, reserved: used.memoryBytes },
    generic: [...kinds].sort().map((kind) => ({
      kind,
      has: has.generic.get(kind) ?? 0,
      reserved: used.generic.get(kind) ?? 0,
    })),
  };
}

function sumOf(amounts: readonly NodeCapacity['nanoCpus'][]): NodeCapacity['nanoCpus'] {
  return {
    has: sum(amounts.map(({ has }) => has)),
    reserved: sum(amounts.map(({ reserved }) => reserved)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
