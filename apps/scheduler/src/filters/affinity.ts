import { affinityOf, itself, type Service, serviceByLabelName, serviceLabels } from '@shoal/state';
import { countOfNodes, type Filter, type Needs } from './filter.ts';

/** What the labels of the service, and those of others about it, leave no choice in. */
interface Rules {
  /** Services of which a task must be on the node; undefined for one that does not exist. */
  readonly near: readonly { readonly name: string; readonly service: Service | undefined }[];
  /** Services of which no task may be on the node. */
  readonly away: ReadonlyMap<string, string>;
}

function rulesOf({ view, revision, policies }: Needs): Rules {
  const labels = serviceLabels(view, revision);
  const affinity = affinityOf(labels);
  const service = view.services.get(revision.serviceId);
  const near = affinity.near
    .filter(({ hard }) => hard)
    .map(({ name }) => ({ name, service: serviceByLabelName(view, labels, name) }))
    .filter((term) => service === undefined || term.service?.id !== service.id);
  const away = new Map<string, string>();
  for (const { name, hard } of affinity.away) {
    if (!hard) continue;
    const other = name === itself ? service : serviceByLabelName(view, labels, name);
    if (other !== undefined) away.set(other.id, other.name);
  }
  if (service !== undefined)
    for (const id of policies?.repellersOf(service) ?? [])
      away.set(id, view.services.get(id)?.name ?? id);
  return { near, away };
}

/**
 * Hard affinity and anti-affinity between services. The latter holds both ways: a service that keeps
 * away from another is kept away from by it.
 */
export const affinityFilter: Filter = {
  prepare(needs) {
    if (needs.plain) return undefined;
    const { near, away } = rulesOf(needs);
    if (near.length === 0 && away.size === 0) return undefined;
    return (candidate) => {
      for (const { service } of near)
        if (service === undefined || candidate.tasksOf(service.id) === 0) return false;
      for (const id of away.keys()) if (candidate.tasksOf(id) > 0) return false;
      return true;
    };
  },
  explain: (nodes) => `affinity to services not satisfied on ${countOfNodes(nodes)}`,
  lack(needs, candidate) {
    const { near, away } = rulesOf(needs);
    const missing = near.filter(
      ({ service }) => service === undefined || candidate.tasksOf(service.id) === 0,
    );
    const present = [...away].filter(([id]) => candidate.tasksOf(id) > 0).map(([, name]) => name);
    const words = [
      ...missing.map(({ name }) => `has no task of ${name}`),
      // Sorted: their order is that of a cache, and a text that differs by it would be written again.
      ...present.sort().map((name) => `has a task of ${name}`),
    ];
    return { distance: words.length, words: words.join(' and ') };
  },
};
