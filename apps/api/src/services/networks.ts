import { ApiError, apiErrors, type ServiceSpecRequest } from '@shoal/docker-api';
import type { Engine } from '@shoal/link/proxy';
import type { Network, StateView } from '@shoal/state';

/** Ids of networks that begin alike; two are enough to see that one is not meant. */
const matchesMax = 2;

/**
 * Puts ids in place of network names: clients may send either. Docker does so before it looks at the rest.
 * @throws ApiError in Docker's words when there is no such network, or only one of this host.
 */
export async function resolveNetworks(
  engine: Engine,
  view: StateView,
  spec: ServiceSpecRequest,
): Promise<ServiceSpecRequest> {
  const attachments = spec.TaskTemplate.Networks ?? spec.Networks;
  if (attachments === undefined) return spec;
  const Networks = [];
  for (const attachment of attachments) {
    const Target = await resolveOne(engine, view, attachment.Target);
    Networks.push({ ...attachment, Target });
  }
  return { ...spec, TaskTemplate: { ...spec.TaskTemplate, Networks } };
}

async function resolveOne(engine: Engine, view: StateView, target: string): Promise<string> {
  if (target === '')
    throw new ApiError(400, 'a network of the service has no Target: it must be a name or an id');
  const known = knownNetwork(view, target);
  if (known !== undefined) return known.id;
  if (target === 'none')
    throw new ApiError(
      404,
      'could not find the corresponding predefined swarm network: network none not found',
    );
  const local = await engine.get(`/networks/${encodeURIComponent(target)}`).catch(() => undefined);
  if (local?.status !== 200) throw new ApiError(500, apiErrors.notFound('network', target).message);
  throw new ApiError(
    403,
    `The network ${target} cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.`,
  );
}

/** By id, name or the start of an id. */
function knownNetwork(view: StateView, target: string): Network | undefined {
  const exact = view.networks.get(target) ?? view.networks.byName(target);
  if (exact !== undefined) return exact;
  const [found, another] = view.networks.byIdPrefix(target, matchesMax);
  return another === undefined ? found : undefined;
}
