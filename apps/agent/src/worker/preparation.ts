import type { Logger } from '@shoal/runtime';
import type { NodeDescription, TaskAssignment } from '@shoal/state';
import { containerName } from '../executor/container-config.ts';
import { containerStatus, type Engine, type EngineFailure } from '../executor/engine.ts';
import type { TaskFiles } from '../files/task-files.ts';
import type { TaskNetworking } from '../network/task-networking.ts';
import { type Attempt, failed } from './attempt.ts';
import type { PullResult } from './image-pulls.ts';

/** What it takes to make the container of a task. */
export interface PreparationParts {
  readonly engine: Engine;
  readonly networking: TaskNetworking;
  readonly files: TaskFiles;
  readonly node: () => NodeDescription;
  /** Fetches an image that is missing; works for the same image are done once. */
  readonly pull: (
    assignment: TaskAssignment,
    signal: AbortSignal,
    progress: (text: string) => void,
  ) => Promise<PullResult>;
  readonly logger: Logger;
}

/** Networks, files, image and container of a task, in this order. `progress` is told what it waits for. */
export async function prepare(
  parts: PreparationParts,
  assignment: TaskAssignment,
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<Attempt> {
  const networks = await parts.networking.prepare(assignment);
  if (signal.aborted) return { kind: 'overtaken' };
  if (networks.kind !== 'ok') return notYet(networks, progress);
  const node = parts.node();
  const files = await parts.files.prepare(assignment, node);
  if (signal.aborted) return { kind: 'overtaken' };
  if (files.kind === 'waiting' || files.kind === 'impossible') return notYet(files, progress);
  const create = () => parts.engine.create(files.assignment, node);
  let created = await create();
  if (created.kind === 'failed' && created.failure.kind === 'not-found') {
    if (signal.aborted) return { kind: 'overtaken' };
    const pulled = await parts.pull(assignment, signal, progress);
    if (signal.aborted) return { kind: 'overtaken' };
    if (pulled.kind === 'failed') {
      return pulled.failure.kind === 'unreachable'
        ? failed(pulled)
        : withoutImage(parts, assignment, created.failure, pulled);
    }
    created = await create();
  }
  if (created.kind === 'ok') {
    return { kind: 'done', container: { id: created.value.id, pid: 0, exitCode: 0 } };
  }
  const { failure } = created;
  return failure.kind === 'conflict' ? adopt(parts.engine, assignment, failure) : failed(created);
}

function notYet(
  { kind, message }: { readonly kind: 'waiting' | 'impossible'; readonly message: string },
  progress: (text: string) => void,
): Attempt {
  if (kind === 'impossible') return { kind: 'fatal', message };
  progress(message);
  return { kind: 'retry', message };
}

/** In Swarm the pull's own error is for the log; the task says what it could not find. */
function withoutImage(
  { logger }: PreparationParts,
  { taskId, template }: TaskAssignment,
  missing: EngineFailure,
  { failure, reasons }: PullResult & { readonly kind: 'failed' },
): Attempt {
  const fields = { task: taskId, image: template.ContainerSpec.Image, reason: failure.message };
  logger.warn(fields, 'pull_failed');
  const tried = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return { kind: 'fatal', message: `${missing.message}${tried}` };
}

/** The name is taken: by the container that an earlier attempt has made. */
async function adopt(
  engine: Engine,
  assignment: TaskAssignment,
  conflict: EngineFailure,
): Promise<Attempt> {
  const found = await engine.inspect(containerName(assignment));
  if (found.kind === 'failed') return { kind: 'retry', message: found.failure.message };
  if (found.value.taskId !== assignment.taskId) {
    return { kind: 'fatal', message: conflict.message };
  }
  return { kind: 'done', container: containerStatus(found.value) };
}
