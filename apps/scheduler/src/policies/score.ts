import {
  affinityOf,
  capacityOf,
  demandOf,
  flagOf,
  hasImage,
  itself,
  placementLabels,
  policyLabel,
  type Rank,
  type Revision,
  rankOf,
  serviceByLabelName,
  serviceLabels,
} from '@shoal/state';
import type { Candidate } from '../candidate.ts';
import type { Needs } from '../filters/filter.ts';
import type { Score } from '../scored.ts';

/** What a container costs its node besides what it reserves (its shim): nano-CPUs and bytes. */
const nanoCpusPerTask = 10_000_000;
const memoryBytesPerTask = 16 * 2 ** 20;
/** What having the image is worth when nodes are ranked by what is free, as a share of a node. */
const imageShare = 0.25;
/** One wish for nearness or distance outweighs every difference in load: those are less than this. */
const wishWeight = 1e6;

/** How good a node is for the next task by the policies of its service; undefined without any. */
export function scoreFor(needs: Needs): Score | undefined {
  const wishes = wishesOf(needs);
  const load = loadScore(needs);
  if (wishes === undefined) return load;
  if (load === undefined) return wishes;
  return (candidate) => wishes(candidate) * wishWeight + load(candidate);
}

/** Soft affinities met, less soft anti-affinities that are not. */
function wishesOf({ view, revision }: Needs): Score | undefined {
  const labels = serviceLabels(view, revision);
  const { near, away } = affinityOf(labels);
  const idOf = (name: string): string | undefined =>
    name === itself ? revision.serviceId : serviceByLabelName(view, labels, name)?.id;
  const wishes = [
    ...near.map((term) => ({ ...term, worth: 1 })),
    ...away.map((term) => ({ ...term, worth: -1 })),
  ].flatMap(({ name, hard, worth }) => {
    const serviceId = hard ? undefined : idOf(name);
    return serviceId === undefined ? [] : [{ serviceId, worth }];
  });
  if (wishes.length === 0) return undefined;
  return (candidate) => {
    let sum = 0;
    for (const { serviceId, worth } of wishes) if (candidate.tasksOf(serviceId) > 0) sum += worth;
    return sum;
  };
}

/**
 * By what is left or taken, and by the image. Without a rank the replicas of a service are spread first
 * and the image decides among nodes that have equally few.
 */
function loadScore(needs: Needs): Score | undefined {
  const { view, revision } = needs;
  const rank = rankFor(needs);
  const image = flagOf(policyLabel(view, revision, placementLabels.imageLocality))
    ? revision.spec.TaskTemplate.ContainerSpec.Image
    : undefined;
  if (rank === 'spread') {
    if (image === undefined) return undefined;
    return (candidate) =>
      Number(hasImage(candidate.node, image)) / 2 - candidate.tasksOf(revision.serviceId);
  }
  const worth = rank === 'free' ? 1 : -1;
  return (candidate) => {
    const share = worth * freeShare(candidate, revision);
    return image !== undefined && hasImage(candidate.node, image) ? share + imageShare : share;
  };
}

/** Tasks that reserve nothing fit anywhere: packed, they would all end on one node. They are spread. */
function rankFor({ view, revision }: Needs): Rank {
  const rank = rankOf(policyLabel(view, revision, placementLabels.rank)) ?? 'spread';
  const { nanoCpus, memoryBytes } = demandOf(revision);
  return rank === 'binpack' && nanoCpus + memoryBytes === 0 ? 'spread' : rank;
}

/**
 * The share of the node that is free once a task of the revision is there: of CPU or memory, whichever
 * has less left. What the node does not say it has does not count.
 */
function freeShare(candidate: Candidate, revision: Revision): number {
  const { nanoCpus, memoryBytes } = capacityOf(candidate.node);
  const { room } = candidate;
  const demand = demandOf(revision);
  const tasks = candidate.tasks + 1;
  const cpu =
    nanoCpus === 0 ? 1 : (room.nanoCpus - demand.nanoCpus - tasks * nanoCpusPerTask) / nanoCpus;
  const memory =
    memoryBytes === 0
      ? 1
      : (room.memoryBytes - demand.memoryBytes - tasks * memoryBytesPerTask) / memoryBytes;
  return Math.min(cpu, memory);
}
