import type { SeededRandom } from '@shoal/sim';
import { type Network, type NetworkSpec, newMeta, type ServiceSpec } from '@shoal/state';

/** Ids of the networks of a run. */
export const networkIds = ['front', 'back', 'ingress'] as const;

/** All networks of a run, without subnets: those are the allocator's to give. */
export function simulatedNetworks(): readonly Network[] {
  return networkIds.map((id): Network => {
    const spec: NetworkSpec = {
      ...{ Name: id, Labels: {}, Driver: 'overlay', Internal: false, Attachable: true },
      ...{ Ingress: id === 'ingress', Predefined: false },
    };
    return { id, meta: newMeta, spec };
  });
}

/** A service in one network or two, found by a virtual address or by round robin, published or not. */
export function drawSpec(random: SeededRandom, name: string): ServiceSpec {
  const networks = random.pick([['front'], ['back'], ['front', 'back']] as const) ?? ['front'];
  const isGlobal = random.chance(0.15);
  const isVip = random.chance(0.75);
  const isPublished = isVip && random.chance(0.5);
  return {
    Name: name,
    Labels: {},
    TaskTemplate: {
      ContainerSpec: { Image: `image:${random.between(1, 4)}` },
      Networks: networks.map((Target) => ({ Target, Aliases: [`${name}-alias`] })),
      RestartPolicy: { Condition: 'any', Delay: random.between(0, 2_000) * 1e6 },
      ForceUpdate: 0,
    },
    Mode: isGlobal ? { Global: {} } : { Replicated: { Replicas: random.between(1, 5) } },
    UpdateConfig: {
      Parallelism: random.between(1, 3),
      Order: random.chance(0.5) ? 'start-first' : 'stop-first',
      FailureAction: 'continue',
      Monitor: 1e9,
    },
    EndpointSpec: {
      Mode: isVip ? 'vip' : 'dnsrr',
      Ports: isPublished ? [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'ingress' }] : [],
    },
  };
}

/** The spec with something else that networks are concerned by. */
export function changeSpec(random: SeededRandom, spec: ServiceSpec, name: string): ServiceSpec {
  const drawn = drawSpec(random, name);
  const { TaskTemplate } = spec;
  switch (random.between(0, 4)) {
    case 0:
      return { ...spec, TaskTemplate: { ...TaskTemplate, Networks: drawn.TaskTemplate.Networks } };
    case 1:
      return spec.EndpointSpec?.Mode === drawn.EndpointSpec?.Mode
        ? { ...spec, EndpointSpec: drawn.EndpointSpec }
        : { ...spec, Labels: { changed: String(random.between(0, 1_000)) } };
    case 2:
      return {
        ...spec,
        TaskTemplate: { ...TaskTemplate, ForceUpdate: TaskTemplate.ForceUpdate + 1 },
      };
    default: {
      const ContainerSpec = drawn.TaskTemplate.ContainerSpec;
      return { ...spec, TaskTemplate: { ...TaskTemplate, ContainerSpec } };
    }
  }
}
