import { type ApiError, apiErrors } from '@shoal/docker-api';
import type { Clock, Instant } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import {
  type Change,
  isBefore,
  isTerminal,
  type Network,
  type StateView,
  type Task,
} from '@shoal/state';
import type { Manager } from '../cluster/standing.ts';
import { commit, refusalError } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import type { Caller } from '../http/caller.ts';

/**
 * Longest wait for containers that are stopping, milliseconds: `docker stack rm` removes the networks right
 * after the services, and the default grace period is ten seconds.
 */
const stoppingMsMax = 60_000;

/** Lost tasks that end in one transaction, whose bytes are bounded. */
const lostAtOnceMax = 1_000;

/** Whether a network can go now. */
export type Removable =
  /** `lost` are tasks that end with it: nobody is there to say that they have. */
  | { readonly kind: 'free'; readonly lost: readonly Task[] }
  /** Only containers that are told to stop, or soon will be, are still in it. */
  | { readonly kind: 'stopping'; readonly task: string }
  | { readonly kind: 'in-use'; readonly refusal: ApiError };

/**
 * As Docker judges it, except that a stopping container keeps its network until it has ended, or its node is
 * down.
 */
function removable(view: StateView, { id, spec }: Network): Removable {
  if (spec.Predefined) return inUse(apiErrors.predefinedNetwork(spec.Name));
  const [service] = view.services.byNetwork(id);
  if (service !== undefined)
    return inUse(
      spec.Ingress
        ? apiErrors.ingressInUse(service.id)
        : apiErrors.networkInUse(id, 'service', service.id),
    );
  for (const { id: attachment, kind } of view.attachments.byNetwork(id))
    if (kind === 'container') return inUse(apiErrors.networkInUse(id, 'task', attachment));
  const lost: Task[] = [];
  let stopping: string | undefined;
  for (const task of view.tasks.byNetwork(id)) {
    if (!isLeaving(view, task)) return inUse(apiErrors.networkInUse(id, 'task', task.id));
    if (isLost(view, task)) lost.push(task);
    else stopping ??= task.id;
  }
  return stopping === undefined ? { kind: 'free', lost } : { kind: 'stopping', task: stopping };
}

function inUse(refusal: ApiError): Removable {
  return { kind: 'in-use', refusal };
}

/** Told to stop, or of a service that is gone, so that it will be told at once. */
function isLeaving(view: StateView, { serviceId, desired, status }: Task): boolean {
  return (
    isTerminal(status.state) ||
    !isBefore(desired, 'complete') ||
    view.services.get(serviceId) === undefined
  );
}

/** Told to stop, or of a service that is gone, on a node that cannot say when it has. */
function isLost(view: StateView, { nodeId, serviceId, desired }: Task): boolean {
  const isCalledOff = !isBefore(desired, 'shutdown') || view.services.get(serviceId) === undefined;
  return isCalledOff && view.nodes.get(nodeId)?.status.state === 'down';
}

/** Removes the network once nothing stops in it any more. @throws ApiError in Docker's words */
export async function removeNetwork(
  context: ApiContext,
  manager: Manager,
  id: string,
  caller: Caller,
): Promise<void> {
  const { clock } = context;
  const until = clock.monotonic() + stoppingMsMax;
  while (clock.monotonic() < until) {
    const attempt = await tryRemoval(context, manager, id, caller);
    if (attempt.kind === 'gone') return;
    if (attempt.kind === 'again') continue;
    const left = until - clock.monotonic();
    if (!(await untilEnded(clock, manager.replica, attempt.task, left)))
      throw apiErrors.networkInUse(id, 'task', attempt.task);
  }
  throw apiErrors.outOfSequence();
}

type Attempt =
  | { readonly kind: 'gone' }
  /** A task has yet to stop. */
  | { readonly kind: 'stopping'; readonly task: string }
  /** Somebody has written in between, or more tasks are lost than end at once. */
  | { readonly kind: 'again' };

/** @throws ApiError when the network is in use, or not there */
export async function tryRemoval(
  context: ApiContext,
  manager: Manager,
  id: string,
  caller: Caller,
): Promise<Attempt> {
  const { replica } = manager;
  const network = replica.view.networks.get(id);
  if (network === undefined) throw apiErrors.notFound('network', id);
  const now = removable(replica.view, network);
  if (now.kind === 'in-use') throw now.refusal;
  if (now.kind === 'stopping') return now;
  const { version } = network.meta;
  const isLast = now.lost.length <= lostAtOnceMax;
  const ended = now.lost.slice(0, lostAtOnceMax).map((task) => orphaned(task, context.clock.now()));
  const removed: readonly Change[] = [{ op: 'delete', table: 'network', id, version }];
  const changes = isLast ? [...ended, ...removed] : ended;
  const refusal = await commit(context, manager, caller, changes);
  if (refusal === undefined) return { kind: isLast ? 'gone' : 'again' };
  if (refusal.kind === 'version-conflict') return { kind: 'again' };
  // A task that has no address yet is not among those of the network.
  const holder = refusal.kind === 'in-use' ? replica.view.tasks.get(refusal.byId) : undefined;
  if (holder === undefined || !isLeaving(replica.view, holder)) throw refusalError(refusal);
  if (!isLost(replica.view, holder)) return { kind: 'stopping', task: holder.id };
  await commit(context, manager, caller, [orphaned(holder, context.clock.now())]);
  return { kind: 'again' };
}

/** Its addresses end with the network; where it still runs, its node stops it when it is back. */
function orphaned(task: Task, at: Instant): Change {
  const message = 'network removed while the node of the task was down';
  const status = { ...task.status, state: 'orphaned', at, message } as const;
  return { op: 'update', table: 'task', object: { ...task, status } };
}

/** False when the time is up first. */
function untilEnded(
  clock: Clock,
  replica: Replica,
  taskId: string,
  msMax: number,
): Promise<boolean> {
  const hasEnded = (): boolean => {
    const { view } = replica;
    const task = view.tasks.get(taskId);
    return task === undefined || isTerminal(task.status.state) || isLost(view, task);
  };
  if (hasEnded()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (ended: boolean): void => {
      timer.cancel();
      unsubscribe();
      resolve(ended);
    };
    const timer = clock.after(msMax, () => end(hasEnded()));
    const unsubscribe = replica.subscribe(() => {
      if (hasEnded()) end(true);
    });
  });
}
