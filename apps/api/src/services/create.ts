import {
  currentRevision,
  type NormalisedSpec,
  randomName,
  type ServiceSpecRequest,
  type Surroundings,
  validateServiceSpec,
} from '@shoal/docker-api';
import { seal } from '@shoal/pki';
import { newId, type Random } from '@shoal/runtime';
import {
  type Change,
  jobStatusAfter,
  newMeta,
  type Revision,
  revisionId,
  type Service,
  type StateView,
} from '@shoal/state';
import { sealedPlaces } from '../cluster/sealed.ts';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { endpointAt, noEndpoint } from './endpoint.ts';
import { checkLabels } from './labels.ts';

/** What creates the service: the object and its first revision. @throws ApiError */
export function creation(
  { random, clock }: Pick<ApiContext, 'random' | 'clock'>,
  manager: Manager,
  asked: NormalisedSpec,
  registryAuth: string,
): { readonly id: string; readonly changes: readonly Change[] } {
  const named = withName(asked, manager.replica.view, random);
  validateServiceSpec(named, surroundings(manager.replica.view, undefined));
  checkLabels(manager.replica.view, named.spec);
  const id = newId(random);
  const revision = newRevision(manager, random, id, 1, named, registryAuth);
  const service: Service = {
    id,
    meta: newMeta,
    name: named.spec.Name,
    revision: 1,
    endpoint: endpointAt(noEndpoint, revision),
    jobStatus: jobStatusAfter(undefined, undefined, { number: 1, spec: named.spec }, clock.now()),
  };
  return {
    id,
    changes: [
      { op: 'create', table: 'service', object: service },
      { op: 'create', table: 'revision', object: revision },
    ],
  };
}

/** Docker names a service that has no name, also in an update (which then is a renaming). */
export function withName(asked: NormalisedSpec, view: StateView, random: Random): NormalisedSpec {
  if (asked.spec.Name !== '') return asked;
  const Name = randomName(random, (name) => view.services.byName(name) !== undefined);
  return { ...asked, spec: { ...asked.spec, Name } };
}

export function newRevision(
  { sealKey }: Manager,
  random: Random,
  serviceId: string,
  number: number,
  { spec }: NormalisedSpec,
  registryAuth: string,
): Revision {
  const id = revisionId(serviceId, number);
  return {
    id,
    meta: newMeta,
    serviceId,
    number,
    spec,
    registryAuth:
      registryAuth === ''
        ? undefined
        : seal(sealKey, registryAuth, sealedPlaces.registryAuth(id), random),
  };
}

/** What the other services leave free: what they ask for, and what they were given. */
export function surroundings(view: StateView, self: string | undefined): Surroundings {
  const { ingress } = view.networks;
  return {
    documentName: (kind, id) =>
      (kind === 'secret' ? view.secrets : view.configs).get(id)?.spec.Name,
    ingress: ingress === undefined ? undefined : { id: ingress.id, name: ingress.spec.Name },
    published: { [Symbol.iterator]: () => publishedBy(view, self) },
  };
}

function* publishedBy(view: StateView, self: string | undefined) {
  for (const service of view.services.values()) {
    if (service.id === self) continue;
    const asked = currentRevision(view, service).spec.EndpointSpec?.Ports ?? [];
    const ports = [...asked, ...service.endpoint.ports];
    if (ports.length > 0) yield { serviceId: service.id, name: service.name, ports };
  }
}

/** Whether what others have just written may forbid it, and the state machine would not notice. */
export function restsOnOthers({ EndpointSpec, Labels }: ServiceSpecRequest): boolean {
  const labels = Object.keys(Labels ?? {});
  return (EndpointSpec?.Ports ?? []).length > 0 || labels.some((key) => key.startsWith('shoal.'));
}
