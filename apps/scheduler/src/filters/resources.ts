import { type Demand, demandOf } from '@shoal/state';
import type { Candidate } from '../candidate.ts';
import { type Check, countOfNodes, type Filter, type Lack } from './filter.ts';

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/** Rounded up: what is named as lacking must be enough once it is there. */
function cpus(nanoCpus: number): string {
  const amount = Math.ceil(nanoCpus / 1e7) / 100;
  return amount === 1 ? '1 CPU' : `${amount} CPUs`;
}

function memory(bytes: number): string {
  if (bytes < mebibyte) return `${bytes} bytes of memory`;
  if (bytes < gibibyte) return `${Math.ceil(bytes / mebibyte)} MiB of memory`;
  return `${Math.ceil((bytes / gibibyte) * 100) / 100} GiB of memory`;
}

function lackOf(needs: Parameters<NonNullable<Filter['lack']>>[0], candidate: Candidate): Lack {
  const { nanoCpus, memoryBytes, generic } = demandOf(needs.revision);
  const { room } = candidate;
  const parts: string[] = [];
  let distance = 0;
  const compare = (asked: number, left: number, words: (missing: number) => string): void => {
    if (asked === 0 || asked <= left) return;
    const missing = asked - Math.max(0, left);
    distance = Math.max(distance, missing / asked);
    parts.push(words(missing));
  };
  compare(memoryBytes, room.memoryBytes, memory);
  compare(nanoCpus, room.nanoCpus, cpus);
  for (const [kind, asked] of generic)
    compare(asked, candidate.genericLeft(kind), (missing) => `${missing} ${kind}`);
  return { distance, words: `lacks ${parts.join(' and ')}` };
}

function hasFree(demand: Demand): Check {
  return (candidate) => candidate.hasFree(demand);
}

/** A node must have what the task reserves still free: CPU, memory and generic resources. */
export const resourcesFilter: Filter = {
  prepare({ revision }) {
    const demand = demandOf(revision);
    const { nanoCpus, memoryBytes, generic } = demand;
    return nanoCpus === 0 && memoryBytes === 0 && generic.size === 0 ? undefined : hasFree(demand);
  },
  explain: (nodes) => `insufficient resources on ${countOfNodes(nodes)}`,
  lack: lackOf,
};
