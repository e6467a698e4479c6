import type { Instant } from '@shoal/runtime';
import {
  isBefore,
  isJob,
  isTerminal,
  type PortConfig,
  type StateView,
  type Task,
  type TaskStatus,
} from '@shoal/state';

/** An image whose pull fails, and a command that ends with an error, as the recorded session has them. */
const unknownImage = /^nosuch/;
const failingCommand = /\bexit ([1-9]\d*)|^false$/;

/** What an agent makes of the task next, without a container behind it; undefined when nothing moves. */
export function fakeProgress(
  view: StateView,
  task: Task,
  now: Instant,
  mayFail: boolean,
): Task | undefined {
  const { state } = task.status;
  if (isTerminal(state) || isBefore(state, 'assigned')) return undefined;
  if (view.nodes.get(task.nodeId)?.status.state !== 'ready') return undefined;
  const status = nextStatus(view, task, now, mayFail);
  return status === undefined ? undefined : { ...task, status };
}

function nextStatus(
  view: StateView,
  task: Task,
  now: Instant,
  mayFail: boolean,
): TaskStatus | undefined {
  const { status, desired } = task;
  const spec = view.revisions.of(task.serviceId, task.revision)?.spec;
  if (spec === undefined) return undefined;
  const { Image, Args = [] } = spec.TaskTemplate.ContainerSpec;
  if (isBefore('complete', desired))
    return { ...status, state: 'shutdown', at: now, message: 'shutdown', err: '' };
  if (unknownImage.test(Image)) {
    if (!mayFail) return undefined;
    const err = `No such image: ${Image}`;
    return { ...status, state: 'rejected', at: now, message: 'preparing', err };
  }
  if (desired === 'ready')
    return isBefore(status.state, 'ready')
      ? { ...status, state: 'ready', at: now, message: 'prepared', err: '' }
      : undefined;
  if (isBefore(status.state, 'running')) return started(view, task, now);
  const failing = failingCommand.exec(Args.join(' '));
  if (failing !== null) {
    const exit = failing[1] ?? '1';
    if (!mayFail) return undefined;
    const err = `task: non-zero exit (${exit})`;
    return { ...ended(status, now, Number(exit)), state: 'failed', message: 'started', err };
  }
  return isJob(spec) ? ended(status, now, 0) : undefined;
}

function started(view: StateView, task: Task, now: Instant): TaskStatus {
  const ports = hostPorts(view, task);
  return {
    ...task.status,
    state: 'running',
    at: now,
    startedAt: now,
    message: 'started',
    err: '',
    container: { id: containerId(task.id), pid: 4_242, exitCode: 0 },
    ...(ports.length === 0 ? {} : { ports }),
  };
}

function ended(status: TaskStatus, now: Instant, exitCode: number): TaskStatus {
  const id = status.container?.id ?? '';
  const container = { id, pid: 0, exitCode };
  return { ...status, state: 'complete', at: now, message: 'finished', container };
}

function hostPorts(view: StateView, task: Task): readonly PortConfig[] {
  const ports = view.services.get(task.serviceId)?.endpoint.ports ?? [];
  return ports.filter(({ PublishMode }) => PublishMode === 'host');
}

function containerId(taskId: string): string {
  return Buffer.from(taskId).toString('hex').padEnd(64, '0').slice(0, 64);
}
