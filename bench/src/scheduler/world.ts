import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Node,
  newMeta,
  revisionId,
  type ServiceSpec,
  State,
  type Task,
  type TaskTemplate,
} from '@shoal/state';

/** What one measurement schedules. */
export interface Shape {
  readonly nodes: number;
  readonly tasks: number;
  /** Each service may only use every third node. */
  readonly constraints: boolean;
  /** Each service spreads over ten zones. */
  readonly preferences: boolean;
  /** 1: each task is a group of its own, as in SwarmKit's benchmark. */
  readonly tasksPerService: number;
}

const zones = 10;
const changesPerTransaction = 1_000;
const startedAt = 1_700_000_000_000 as Instant;
/** 25 characters, as real ids have. */
function idOf(kind: string, number: number): string {
  return `${kind}${number.toString(36).padStart(24, '0')}`;
}

function node(number: number): Node {
  const Labels = { tier: number % 3 === 0 ? 'front' : 'back', zone: `zone${number % zones}` };
  return {
    id: idOf('n', number),
    meta: newMeta,
    spec: { Labels, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: `host-${number}`,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 64e9, MemoryBytes: 2 ** 38 },
      Engine: { EngineVersion: '28.2.2', Plugins: [] },
    },
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' },
  };
}

function specOf(name: string, shape: Shape): ServiceSpec {
  const TaskTemplate: TaskTemplate = {
    ContainerSpec: { Image: 'busybox' },
    ForceUpdate: 0,
    Placement: {
      ...(shape.constraints && { Constraints: ['node.labels.tier==front'] }),
      ...(shape.preferences && {
        Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
      }),
    },
  };
  const Mode = { Replicated: { Replicas: shape.tasksPerService } };
  return { Name: name, Labels: {}, TaskTemplate, Mode };
}

function* changesOf(shape: Shape): Iterable<Change> {
  for (let at = 0; at < shape.nodes; at += 1)
    yield { op: 'create', table: 'node', object: node(at) };
  for (let at = 0; at < shape.tasks; at += 1) {
    const serviceId = idOf('s', Math.floor(at / shape.tasksPerService));
    if (at % shape.tasksPerService === 0) yield* serviceChanges(serviceId, shape);
    yield { op: 'create', table: 'task', object: makeTask(shape, at, at) };
  }
}

/** Task number `at`, of the service that task number `like` belongs to. */
export function makeTask(shape: Shape, at: number, like: number): Task {
  return {
    id: idOf('t', at),
    meta: newMeta,
    serviceId: idOf('s', Math.floor(like / shape.tasksPerService)),
    slot: 1 + at,
    nodeId: '',
    revision: 1,
    desired: 'running',
    status: { state: 'pending', at: startedAt, message: 'pending task scheduling', err: '' },
  };
}

function* serviceChanges(serviceId: string, shape: Shape): Iterable<Change> {
  const endpoint = { revision: 1, ports: [], virtualIps: [] };
  yield {
    op: 'create',
    table: 'service',
    object: { id: serviceId, meta: newMeta, name: serviceId, revision: 1, endpoint },
  };
  const id = revisionId(serviceId, 1);
  const spec = specOf(serviceId, shape);
  yield {
    op: 'create',
    table: 'revision',
    object: { id, meta: newMeta, serviceId, number: 1, spec },
  };
}

/** A cluster with everything there and every task pending; the same each time. */
export function makeWorld(shape: Shape): State {
  const state = new State();
  let changes: Change[] = [];
  const flush = (): void => {
    const index = (state.view.index + 1) as LogIndex;
    const actor = { kind: 'system', name: 'bench' } as const;
    const transaction = { id: `world${index}`, actor, reason: 'bench', decidedAt: index, changes };
    const [outcome] = state.applyTransactions(index, startedAt, [transaction]).outcomes;
    invariant(outcome?.kind === 'committed', 'the world was refused', { outcome });
    changes = [];
  };
  for (const change of changesOf(shape)) {
    changes.push(change);
    // A service and its revision go together.
    if (changes.length >= changesPerTransaction && change.table !== 'service') flush();
  }
  if (changes.length > 0) flush();
  return state;
}
