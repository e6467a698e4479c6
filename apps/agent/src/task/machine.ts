import { assertNever, type Instant } from '@shoal/runtime';
import {
  type ContainerStatus,
  isBefore,
  isTerminal,
  type PortConfig,
  type TaskState,
  type TaskStatus,
} from '@shoal/state';

/** Work on the engine that a transition needs. */
export type Act =
  /** Image and container. */
  | 'prepare'
  /** Until it runs, and is healthy where it has a health check. */
  | 'start'
  /** Until the container has stopped by itself. */
  | 'wait'
  | 'stop';

/** What to do next for a task, given what is and what is wanted. */
export type Move =
  /** Nothing, until another state is wanted. */
  | { readonly kind: 'rest' }
  /** A transition that needs no work. */
  | { readonly kind: 'pass'; readonly state: TaskState; readonly message: string }
  | { readonly kind: 'act'; readonly act: Act };

/** How work ended. */
export type ActEnd =
  | {
      readonly kind: 'done';
      readonly container?: ContainerStatus | undefined;
      readonly ports?: readonly PortConfig[] | undefined;
    }
  /** The container stopped. `reason` says why if it was not by itself. */
  | {
      readonly kind: 'exited';
      readonly container: ContainerStatus;
      readonly reason?: string | undefined;
    }
  /** Can never work. */
  | {
      readonly kind: 'fatal';
      readonly message: string;
      readonly container?: ContainerStatus | undefined;
    };

/** Swarm's texts for the states an agent reports. */
const messages = {
  accepted: 'accepted',
  preparing: 'preparing',
  ready: 'prepared',
  starting: 'starting',
  running: 'started',
  complete: 'finished',
  shutdown: 'shutdown',
} as const;

/**
 * Exactly one transition at a time; the observed state only ever grows. Where a newer manager wants a state that is
 * not known here, what was begun goes on and nothing else is done.
 */
export function nextMove(state: TaskState, desired: TaskState): Move {
  if (isTerminal(state)) return { kind: 'rest' };
  if (isBefore('complete', desired)) return { kind: 'act', act: 'stop' };
  // Work that was begun is finished; before and between works a task waits where it is wanted.
  const begun = state === 'preparing' || state === 'starting' || state === 'running';
  if (!begun && !isBefore(state, desired)) return { kind: 'rest' };
  switch (state) {
    case 'new':
    case 'pending':
    case 'assigned':
      return pass('accepted');
    case 'accepted':
      return pass('preparing');
    case 'preparing':
      return { kind: 'act', act: 'prepare' };
    case 'ready':
      return pass('starting');
    case 'starting':
      return { kind: 'act', act: 'start' };
    case 'running':
      return { kind: 'act', act: 'wait' };
    default:
      return { kind: 'rest' };
  }
}

function pass(state: keyof typeof messages): Move {
  return { kind: 'pass', state, message: messages[state] };
}

/** The status after a transition without work. */
export function passed(
  before: TaskStatus,
  move: Move & { readonly kind: 'pass' },
  now: Instant,
): TaskStatus {
  return { ...before, state: move.state, message: move.message, at: notBefore(before, now) };
}

/** The status after work has ended. */
export function settle(before: TaskStatus, act: Act, end: ActEnd, now: Instant): TaskStatus {
  const at = notBefore(before, now);
  switch (end.kind) {
    case 'fatal': {
      const state = isBefore(before.state, 'starting') ? 'rejected' : 'failed';
      const container = end.container ?? before.container;
      return { ...before, state, err: end.message, at, ...present({ container }) };
    }
    case 'exited':
      return exited(before, act, end, at);
    case 'done': {
      const state = doneState(act);
      const container = end.container ?? before.container;
      return {
        ...before,
        state,
        message: messages[state],
        // What a task waited for in its preparation is no error of it.
        err: before.state === 'preparing' ? '' : before.err,
        at,
        ...present({ container, ports: end.ports }),
        ...(state === 'running' ? { startedAt: at } : {}),
      };
    }
    default:
      return assertNever(end);
  }
}

function doneState(act: Act): keyof typeof messages {
  switch (act) {
    case 'prepare':
      return 'ready';
    case 'start':
      return 'running';
    case 'wait':
      return 'complete';
    case 'stop':
      return 'shutdown';
  }
}

function exited(
  before: TaskStatus,
  act: Act,
  end: ActEnd & { readonly kind: 'exited' },
  at: Instant,
): TaskStatus {
  const { container, reason } = end;
  if (act === 'stop') {
    const err = before.state === 'preparing' ? '' : before.err;
    return { ...before, state: 'shutdown', message: messages.shutdown, err, at, container };
  }
  if (container.exitCode === 0 && reason === undefined) {
    return { ...before, state: 'complete', message: messages.complete, at, container };
  }
  const err = `task: non-zero exit (${container.exitCode})${reason === undefined ? '' : `: ${reason}`}`;
  return { ...before, state: 'failed', err, at, container };
}

/** A wall clock that was set back must not make a newer status look older. */
function notBefore(before: TaskStatus, now: Instant): Instant {
  return now > before.at ? now : before.at;
}

/** Only the members that are there. */
function present<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}
