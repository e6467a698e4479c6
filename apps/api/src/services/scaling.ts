import { autoscaleOf, type Service, type ServiceSpec, scaledReplicas } from '@shoal/state';

/**
 * What an update says of the number of tasks. Of a service that is scaled by load clients read the number that its
 * load asks for, and send it back with whatever else they change; and a stack that is deployed again says what its
 * file says. Neither is a wish for another number: what the load has asked for goes on. Any other number is one.
 */
export function askedReplicas(
  service: Service,
  current: ServiceSpec,
  asked: ServiceSpec,
): { readonly spec: ServiceSpec; readonly scaling: Service['scaling'] } {
  const before = current.Mode.Replicated?.Replicas;
  const replicas = asked.Mode.Replicated?.Replicas;
  const goesOn =
    before !== undefined &&
    [before, scaledReplicas(service, current)].includes(replicas) &&
    isActive(current) === isActive(asked) &&
    autoscaleOf(asked) !== undefined;
  if (!goesOn) return { spec: asked, scaling: undefined };
  const spec = { ...asked, Mode: { Replicated: { Replicas: before } } };
  return { spec, scaling: service.scaling };
}

/** Whether the load decides, and is not only told of. */
function isActive(spec: ServiceSpec): boolean {
  return autoscaleOf(spec)?.advises === false;
}
