import type { NodeDescription, PortConfig } from '@shoal/state';
import { z } from 'zod';
import { swarmLabels } from './container-config.ts';
import type { ContainerEvent, ListedContainer, TaskContainer } from './engine.ts';

const binding = z.object({ HostPort: z.string() });

/** What is read of `GET /containers/{id}/json`. */
export const inspectAnswer = z.object({
  Id: z.string(),
  State: z.object({
    Status: z.string(),
    Running: z.boolean(),
    Pid: z.number(),
    ExitCode: z.number(),
    Error: z.string().default(''),
    Health: z.object({ Status: z.string() }).nullish(),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
  HostConfig: z.object({ PortBindings: z.record(z.string(), z.unknown()).nullish() }).nullish(),
  NetworkSettings: z
    .object({ Ports: z.record(z.string(), z.array(binding).nullable()).nullish() })
    .nullish(),
});

export function readInspect(answer: z.output<typeof inspectAnswer>): TaskContainer {
  const { State: state } = answer;
  return {
    id: answer.Id,
    taskId: answer.Config.Labels?.[swarmLabels.taskId] ?? '',
    state: containerState(state.Status),
    pid: state.Pid,
    exitCode: state.ExitCode,
    health: healthOf(state.Health?.Status),
    ports: readPorts(answer.NetworkSettings?.Ports ?? {}),
    error: state.Error,
  };
}

/** A paused or restarting container has not stopped. */
function containerState(status: string): TaskContainer['state'] {
  if (status === 'created') return 'created';
  return status === 'exited' || status === 'dead' || status === 'removing' ? 'exited' : 'running';
}

function healthOf(status: string | undefined): TaskContainer['health'] {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}

function readPorts(
  ports: Readonly<Record<string, readonly z.output<typeof binding>[] | null>>,
): PortConfig[] {
  const found = new Map<string, PortConfig>();
  for (const [key, bindings] of Object.entries(ports)) {
    const [target, protocol] = key.split('/');
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') continue;
    // The same port appears once for each address family.
    for (const { HostPort } of bindings ?? []) {
      found.set(`${key} ${HostPort}`, {
        Protocol: protocol,
        TargetPort: Number(target),
        PublishedPort: Number(HostPort),
        PublishMode: 'host',
      });
    }
  }
  return [...found.values()];
}

/** What is read of `GET /containers/json`. */
export const listAnswer = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()).nullish(),
    State: z.string(),
    Labels: z.record(z.string(), z.string()),
  }),
);

export function readList(answer: z.output<typeof listAnswer>): ListedContainer[] {
  return answer.map(({ Id, Names, State, Labels }) => ({
    id: Id,
    taskId: Labels[swarmLabels.taskId] ?? '',
    hasTaskName: Names?.includes(`/${Labels[swarmLabels.taskName] ?? ''}`) === true,
    state: containerState(State),
    pid: 0,
    exitCode: 0,
    health: 'none',
    ports: [],
    error: '',
  }));
}

const eventLine = z.object({
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()) }),
});

/** One line of the event stream; undefined for what does not matter to tasks. */
export function readEvent(
  text: string,
): { readonly taskId: string; readonly event: ContainerEvent } | undefined {
  let parsed: z.ZodSafeParseResult<z.output<typeof eventLine>>;
  try {
    parsed = eventLine.safeParse(JSON.parse(text));
  } catch {
    return undefined;
  }
  if (!parsed.success) return undefined;
  const { Action: action, Actor: actor } = parsed.data;
  const taskId = actor.Attributes[swarmLabels.taskId];
  if (taskId === undefined) return undefined;
  const containerId = actor.ID;
  switch (action) {
    case 'die':
      return {
        taskId,
        event: { kind: 'died', containerId, exitCode: Number(actor.Attributes['exitCode'] ?? 0) },
      };
    case 'start':
      return { taskId, event: { kind: 'started', containerId } };
    case 'destroy':
      return { taskId, event: { kind: 'removed', containerId } };
    case 'health_status: healthy':
      return { taskId, event: { kind: 'healthy', containerId } };
    case 'health_status: unhealthy':
      return { taskId, event: { kind: 'unhealthy', containerId } };
    default:
      return undefined;
  }
}

const genericResource = z.object({
  NamedResourceSpec: z.object({ Kind: z.string(), Value: z.string() }).optional(),
  DiscreteResourceSpec: z.object({ Kind: z.string(), Value: z.int().nonnegative() }).optional(),
});

/** What is read of `GET /info`. */
export const infoAnswer = z.object({
  Name: z.string(),
  OSType: z.string(),
  Architecture: z.string(),
  NCPU: z.number(),
  MemTotal: z.number(),
  ServerVersion: z.string(),
  Labels: z.array(z.string()).nullish(),
  /** What the engine was told by `--node-generic-resource`. */
  GenericResources: z.array(genericResource).nullish(),
  Plugins: z
    .object({
      Volume: z.array(z.string()).nullish(),
      Network: z.array(z.string()).nullish(),
      Log: z.array(z.string()).nullish(),
    })
    .nullish(),
});

const nanoCpusPerCpu = 1_000_000_000;

export function readInfo(info: z.output<typeof infoAnswer>): NodeDescription {
  const labels = (info.Labels ?? []).map((label) => {
    const at = label.indexOf('=');
    return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)];
  });
  const plugins = (['Log', 'Network', 'Volume'] as const).flatMap((type) =>
    [...(info.Plugins?.[type] ?? [])].sort().map((name) => ({ Type: type, Name: name })),
  );
  const generic = info.GenericResources ?? [];
  return {
    Hostname: info.Name,
    Platform: { Architecture: info.Architecture, OS: info.OSType },
    Resources: {
      NanoCPUs: info.NCPU * nanoCpusPerCpu,
      MemoryBytes: info.MemTotal,
      ...(generic.length === 0 ? {} : { GenericResources: generic }),
    },
    Engine: {
      EngineVersion: info.ServerVersion,
      ...(labels.length === 0 ? {} : { Labels: Object.fromEntries(labels) }),
      Plugins: plugins,
    },
  };
}
