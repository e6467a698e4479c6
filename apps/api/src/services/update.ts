import {
  apiErrors,
  currentRevision,
  modeName,
  type NormalisedSpec,
  validateServiceSpec,
} from '@shoal/docker-api';
import { unseal } from '@shoal/pki';
import {
  type Change,
  jobStatusAfter,
  type Revision,
  rollbackTarget,
  type Service,
  type ServiceSpec,
  type StateView,
} from '@shoal/state';
import { sealedPlaces } from '../cluster/sealed.ts';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { newRevision, surroundings, withName } from './create.ts';
import { endpointAt } from './endpoint.ts';
import { checkLabels } from './labels.ts';
import { rolledBack } from './rollback.ts';
import { askedReplicas } from './scaling.ts';

export interface UpdateRequest {
  readonly spec: NormalisedSpec;
  /** `previous`; `none` or empty for an ordinary update. */
  readonly rollback: string;
  /** What the image is to be pulled with, see {@link carriedAuth}. */
  readonly registryAuth: string;
}

/** What the update writes. @throws ApiError in Docker's order. */
export function update(
  context: Pick<ApiContext, 'random' | 'clock'>,
  manager: Manager,
  service: Service,
  request: UpdateRequest,
): readonly Change[] {
  const { random, clock } = context;
  const { view } = manager.replica;
  const current = currentRevision(view, service);
  if (!['', 'none', 'previous'].includes(request.rollback))
    throw apiErrors.badRollback(request.rollback);
  const named = withName(request.spec, view, random);
  const around = surroundings(view, service.id);
  // What the service has asked for already is the allocator's to settle, as by Swarm.
  const published = asksForSamePorts(named.spec, current.spec) ? [] : around.published;
  validateServiceSpec(named, { ...around, published });
  if (modeName(named.spec) !== modeName(current.spec)) throw apiErrors.modeChange();
  if (named.spec.Name !== service.name) throw apiErrors.renaming();
  if (request.rollback === 'previous')
    return [{ op: 'update', table: 'service', object: rolledBack(clock, view, service) }];
  checkLabels(view, named.spec);
  const { spec, scaling } = askedReplicas(service, current.spec, named.spec);
  const number = newestRevision(view, service.id) + 1;
  const auth = request.registryAuth;
  const revision = newRevision(manager, random, service.id, number, { ...named, spec }, auth);
  const object: Service = {
    ...service,
    revision: number,
    previousRevision: rollbackTarget(view, service),
    endpoint: endpointAt(service.endpoint, revision),
    updateStatus: undefined,
    scaling,
    jobStatus: jobStatusAfter(service.jobStatus, current.spec, { number, spec }, clock.now()),
  };
  return [
    { op: 'update', table: 'service', object },
    { op: 'create', table: 'revision', object: revision },
  ];
}

/** Both were normalised: the same members stand in the same order. */
function asksForSamePorts(asked: ServiceSpec, current: ServiceSpec): boolean {
  return JSON.stringify(asked.EndpointSpec) === JSON.stringify(current.EndpointSpec);
}

/** Numbers are never used again while a revision is there, also after a rollback. */
function newestRevision(view: StateView, serviceId: string): number {
  let newest = 0;
  for (const { number } of view.revisions.byService(serviceId)) newest = Math.max(newest, number);
  return newest;
}

/** Which credentials a request brings or leaves. */
export interface AuthRequest {
  readonly registryAuth: string;
  /** Whose credentials go on when the request brings none: `spec`, `previous-spec` or empty. */
  readonly registryAuthFrom: string;
}

/** The credentials that the service goes on with. @throws ApiError in Docker's words */
export function carriedAuth(
  manager: Manager,
  service: Service,
  { registryAuth, registryAuthFrom }: AuthRequest,
): string {
  if (registryAuth !== '') return registryAuth;
  switch (registryAuthFrom) {
    case '':
    case 'spec':
      return openAuth(manager, currentRevision(manager.replica.view, service));
    case 'previous-spec': {
      const { previousRevision } = service;
      const previous =
        previousRevision === undefined
          ? undefined
          : manager.replica.view.revisions.of(service.id, previousRevision);
      if (previous === undefined) throw apiErrors.noPreviousAuth();
      return openAuth(manager, previous);
    }
    default:
      throw apiErrors.badRegistryAuthFrom();
  }
}

function openAuth({ sealKey }: Manager, revision: Revision): string {
  const { id, registryAuth, registryAuthFrom = id } = revision;
  if (registryAuth === undefined) return '';
  const auth = unseal(sealKey, registryAuth, sealedPlaces.registryAuth(registryAuthFrom));
  return auth?.toString('utf8') ?? '';
}
