import type {
  GenericResource,
  Labels,
  NodeDescription,
  Placement,
  PortConfig,
  RestartPolicy,
  ServiceMode,
  ServiceSpec,
  TaskTemplate,
  UpdateConfig,
} from '@shoal/state';
import type { SeededRandom } from '../random.ts';

/** What a fake engine does with an image. */
export const images = {
  /** Runs until it is stopped. */
  good: ['good', 'good:2', 'good:3'],
  /** Cannot be pulled; ends while it starts; ends soon after it started; ends later. */
  bad: ['bad:rejected', 'bad:start', 'bad:early', 'bad:late'],
  /** Ends well after a while. */
  ends: ['ends'],
  /** What jobs run; the second one fails every other time. */
  job: ['works', 'works:sometimes'],
} as const;

/** Processors that tasks of services which are scaled by load are to use, and those that they do use. */
export const loads = { aim: 0.5, busy: 0.9, idle: 0.1 } as const;

/** Whether all tasks of the service have too much to do, or too little, whatever their number. */
export function isBusy(serviceId: string): boolean {
  return serviceId.charCodeAt(serviceId.length - 1) % 2 === 0;
}

const second = 1_000_000_000;
const mebibyte = 2 ** 20;
const replicasMax = 6;

const dataVolume = { Type: 'volume', Source: 'data', Target: '/data' } as const;

/** True when tasks of the image run on once they run. */
export function runsForever(image: string): boolean {
  return image.startsWith('good');
}

/** A random service of any kind. */
export function drawSpec(
  random: SeededRandom,
  name: string,
  others: readonly string[],
): ServiceSpec {
  const mode = drawMode(random);
  const isJob = mode.ReplicatedJob !== undefined || mode.GlobalJob !== undefined;
  const image = isJob ? jobImage(random) : goodImage(random);
  const spec: ServiceSpec = {
    Name: name,
    Labels: drawLabels(random, mode, others),
    TaskTemplate: {
      ContainerSpec: { Image: image, ...(random.chance(0.12) && { Mounts: [dataVolume] }) },
      Resources: drawResources(random),
      RestartPolicy: drawRestartPolicy(random),
      Placement: drawPlacement(random),
      ForceUpdate: 0,
    },
    Mode: mode,
    EndpointSpec: { Ports: drawPorts(random) },
  };
  return isJob
    ? spec
    : { ...spec, UpdateConfig: drawPace(random), RollbackConfig: drawPace(random) };
}

/** The spec with something else: mostly one thing, sometimes two. */
export function changeSpec(
  random: SeededRandom,
  spec: ServiceSpec,
  others: readonly string[],
): ServiceSpec {
  const once = changeOne(random, spec, others);
  return random.chance(0.3) ? changeOne(random, once, others) : once;
}

function changeOne(
  random: SeededRandom,
  spec: ServiceSpec,
  others: readonly string[],
): ServiceSpec {
  const { TaskTemplate } = spec;
  const withTemplate = (part: Partial<TaskTemplate>): ServiceSpec => ({
    ...spec,
    TaskTemplate: { ...TaskTemplate, ...part },
  });
  const isJob = spec.Mode.ReplicatedJob !== undefined || spec.Mode.GlobalJob !== undefined;
  switch (random.between(0, 10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return withTemplate({
        ContainerSpec: {
          ...TaskTemplate.ContainerSpec,
          Image: isJob ? jobImage(random) : anyImage(random),
        },
      });
    case 4:
      return withTemplate({ Resources: drawResources(random) });
    case 5:
      return withTemplate({ Placement: drawPlacement(random) });
    case 6:
      return withTemplate({ RestartPolicy: drawRestartPolicy(random) });
    case 7:
      return { ...spec, EndpointSpec: { Ports: drawPorts(random) } };
    case 8:
      return { ...spec, Labels: drawLabels(random, spec.Mode, others) };
    default:
      return isJob
        ? withTemplate({ ForceUpdate: TaskTemplate.ForceUpdate + 1 })
        : { ...spec, UpdateConfig: drawPace(random), RollbackConfig: drawPace(random) };
  }
}

function goodImage(random: SeededRandom): string {
  return random.chance(0.1) ? 'ends' : (random.pick(images.good) ?? 'good');
}

function anyImage(random: SeededRandom): string {
  return random.chance(0.45) ? (random.pick(images.bad) ?? 'bad:early') : goodImage(random);
}

function jobImage(random: SeededRandom): string {
  const isBad = random.chance(0.15);
  return (isBad ? random.pick(images.bad) : random.pick(images.job)) ?? 'works';
}

function drawMode(random: SeededRandom): ServiceMode {
  const kind = random.next();
  if (kind < 0.62) return { Replicated: { Replicas: random.between(0, replicasMax + 1) } };
  if (kind < 0.8) return { Global: {} };
  if (kind < 0.93)
    return {
      ReplicatedJob: {
        MaxConcurrent: random.between(1, 4),
        TotalCompletions: random.between(0, 6),
      },
    };
  return { GlobalJob: {} };
}

/** Backoff is always capped low, so that a run ends within its time. */
function drawLabels(random: SeededRandom, mode: ServiceMode, others: readonly string[]): Labels {
  const labels: Record<string, string> = {
    'shoal.restart.backoff': random.pick(['off', '3s', '8s']) ?? 'off',
  };
  if (mode.Replicated === undefined && mode.Global === undefined) {
    if (random.chance(0.15)) {
      labels['shoal.cron'] = '* * * * *';
      labels['shoal.cron.overlap'] = random.pick(['allow', 'forbid', 'replace']) ?? 'forbid';
    }
    return labels;
  }
  if (random.chance(0.5)) {
    labels['shoal.drain.order'] = random.chance(0.7) ? 'start-first' : 'stop-first';
    if (random.chance(0.5)) labels['shoal.drain.parallelism'] = `${random.between(1, 4)}`;
    if (random.chance(0.5)) labels['shoal.drain.deadline'] = `${random.between(3, 30)}s`;
  }
  if (random.chance(0.3)) labels['shoal.rank'] = random.pick(['spread', 'free', 'binpack']) ?? '';
  const other = random.pick(others) ?? 'alpha';
  const strength = random.chance(0.5) ? ':hard' : '';
  if (random.chance(0.08)) labels['shoal.affinity'] = `${other}${strength}`;
  if (random.chance(0.08))
    labels['shoal.anti-affinity'] = `${random.chance(0.5) ? 'self' : other}${strength}`;
  if (random.chance(0.12)) {
    labels['shoal.depends-on'] = `${other}:${random.pick(['started', 'healthy']) ?? 'started'}`;
    if (random.chance(0.5)) labels['shoal.depends-on.recheck'] = 'true';
  }
  if (random.chance(0.2)) labels['shoal.priority'] = `${random.between(-5, 6)}`;
  if (random.chance(0.2)) labels['shoal.volume-sticky'] = random.chance(0.5) ? 'true' : 'false';
  if (random.chance(0.2)) labels['shoal.rebalance'] = 'true';
  if (mode.Replicated !== undefined && random.chance(0.25)) {
    labels['shoal.autoscale.min'] = `${random.between(1, 3)}`;
    labels['shoal.autoscale.max'] = `${random.between(3, 6)}`;
    labels['shoal.autoscale.cpu'] = `${loads.aim}`;
    labels['shoal.autoscale.down-after'] = random.pick(['0s', '5s', '20s']) ?? '5s';
  }
  return labels;
}

function drawResources(random: SeededRandom): TaskTemplate['Resources'] {
  if (random.chance(0.3)) return undefined;
  const generic: GenericResource[] = [];
  if (random.chance(0.15)) generic.push({ DiscreteResourceSpec: { Kind: 'ssd', Value: 1 } });
  if (random.chance(0.15)) generic.push({ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } });
  return {
    Reservations: {
      NanoCPUs: (random.pick([0, 0.25, 0.5, 1, 2, 3.5]) ?? 0) * second,
      MemoryBytes: (random.pick([0, 16, 64, 256, 700]) ?? 0) * mebibyte,
      ...(generic.length > 0 && { GenericResources: generic }),
    },
  };
}

function drawRestartPolicy(random: SeededRandom): RestartPolicy {
  const isPlain = random.chance(0.6);
  return {
    Condition: isPlain ? 'any' : (random.pick(['any', 'on-failure', 'none'] as const) ?? 'any'),
    Delay: random.between(0, 4) * 0.5 * second,
    ...(!isPlain && random.chance(0.5) && { MaxAttempts: random.between(1, 4) }),
    ...(!isPlain && random.chance(0.3) && { Window: 5 * second }),
  };
}

const constraints = [
  'node.labels.zone==a',
  'node.labels.zone != b',
  'node.labels.disk==ssd',
  'node.hostname!=host-1',
  'node.role==worker',
  'node.platform.os==Linux',
  'engine.labels.kind==fast',
  'node.labels.zone==nowhere',
] as const;

function drawPlacement(random: SeededRandom): Placement {
  const asked = constraints.filter(() => random.chance(0.07));
  return {
    ...(asked.length > 0 && { Constraints: asked }),
    ...(random.chance(0.3) && {
      Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
    }),
    ...(random.chance(0.25) && { MaxReplicas: random.between(1, 3) }),
  };
}

function drawPorts(random: SeededRandom): readonly PortConfig[] {
  if (random.chance(0.8)) return [];
  const PublishedPort = random.between(8_080, 8_082);
  return [{ Protocol: 'tcp', TargetPort: 80, PublishedPort, PublishMode: 'host' }];
}

function drawPace(random: SeededRandom): UpdateConfig {
  return {
    Parallelism: random.between(0, 4),
    Delay: (random.pick([0, 0, 0.5, 2]) ?? 0) * second,
    Monitor: (random.pick([0.5, 1, 3]) ?? 1) * second,
    FailureAction: random.pick(['pause', 'continue', 'rollback'] as const) ?? 'pause',
    MaxFailureRatio: random.pick([0, 0, 0.2, 0.5, 1]) ?? 0,
    Order: random.pick(['stop-first', 'start-first'] as const) ?? 'stop-first',
  };
}

/** Labels that a person puts on a node. */
export function drawNodeLabels(random: SeededRandom): Labels {
  const labels: Record<string, string> = { zone: random.pick(['a', 'b', 'c']) ?? 'a' };
  if (random.chance(0.6)) labels['disk'] = random.pick(['ssd', 'hdd']) ?? 'ssd';
  if (random.chance(0.2)) {
    labels['shoal.drain.order'] = 'start-first';
    if (random.chance(0.5)) labels['shoal.drain.deadline'] = `${random.between(3, 30)}s`;
  }
  return labels;
}

export function drawHost(random: SeededRandom, hostname: string): NodeDescription {
  const named = (Value: string): GenericResource => ({
    NamedResourceSpec: { Kind: 'gpu', Value },
  });
  const generic: GenericResource[] = [{ DiscreteResourceSpec: { Kind: 'ssd', Value: 2 } }];
  if (random.chance(0.5)) generic.push(named('g1'), named('g2'));
  return {
    Hostname: hostname,
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: {
      NanoCPUs: random.between(2, 5) * second,
      MemoryBytes: random.between(1, 3) * 1_024 * mebibyte,
      GenericResources: generic,
    },
    Engine: {
      EngineVersion: 'fake',
      Labels: { kind: random.chance(0.5) ? 'fast' : 'slow' },
      Plugins: [],
    },
  };
}
