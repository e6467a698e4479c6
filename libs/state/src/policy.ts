import type { Revision, Service } from './objects.ts';
import type { Labels } from './spec.ts';
import type { StateView } from './view.ts';

type Services = Pick<StateView, 'services' | 'revisions'>;

const noLabels: Labels = {};

/** The label by which `docker stack deploy` marks the services of a stack; its names begin with it. */
const stackLabel = 'com.docker.stack.namespace';

/** The revision that says how a service is to be now, whatever its tasks were made of. */
export function currentOf({ revisions }: Services, service: Service): Revision | undefined {
  return revisions.of(service.id, service.revision);
}

/**
 * The labels of the service that the revision belongs to: those of its current revision, so that a
 * label helps tasks that wait already. A service that is gone has those of the revision.
 */
export function serviceLabels(view: Services, revision: Revision): Labels {
  const service = view.services.get(revision.serviceId);
  const isCurrent = service === undefined || service.revision === revision.number;
  const current = isCurrent ? revision : currentOf(view, service);
  return current?.spec.Labels ?? noLabels;
}

/**
 * What a label of the `shoal.` family says for tasks of the revision: the service's own label, else the
 * cluster's. Labels of containers do not count.
 */
export function policyLabel(
  view: Services & Pick<StateView, 'cluster'>,
  revision: Revision,
  name: string,
): string | undefined {
  return serviceLabels(view, revision)[name] ?? view.cluster?.spec.Labels[name];
}

/**
 * The service that a label of another one means by `name`: within a stack first the one of the same
 * stack, then any service of that name.
 */
export function serviceByLabelName(
  view: Pick<StateView, 'services'>,
  labels: Labels,
  name: string,
): Service | undefined {
  for (const fullName of namesMeant(labels, name)) {
    const service = view.services.byName(fullName);
    if (service !== undefined) return service;
  }
  return undefined;
}

/** The full names that {@link serviceByLabelName} tries, in order. */
export function namesMeant(labels: Labels, name: string): readonly string[] {
  const stack = labels[stackLabel];
  return stack === undefined || stack === '' ? [name] : [`${stack}_${name}`, name];
}
