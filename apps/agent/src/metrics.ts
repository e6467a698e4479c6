import type { TaskState } from '@shoal/state';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CallObserver } from './executor/engine-http.ts';

/** What the agent counts. */
export interface AgentMetrics {
  readonly engineCall: CallObserver;
  /** `states` is asked whenever somebody looks; the newest counts. */
  tasks(states: () => Iterable<TaskState>): void;
  sessionOpened(): void;
  /** `undefined`: the host is in no swarm, and nothing is shown. */
  sessionUp(up: boolean | undefined): void;
  containerRemoved(why: 'deleted' | 'unassigned' | 'left'): void;
  logLines(count: number): void;
  /** Lines of a task could not be had, which its followers are told. */
  logGap(): void;
  logSubscriptions(open: number): void;
}

const secondsBuckets = [0.002, 0.008, 0.032, 0.125, 0.5, 2, 8, 32];
const msPerSecond = 1_000;

/** The agent's metrics on `registry`; call once a process. */
export function agentMetrics(registry: Registry): AgentMetrics {
  const registers = [registry];
  let tasks: () => Iterable<TaskState> = () => [];
  new Gauge({
    name: 'shoal_agent_tasks',
    help: 'Tasks of this node, by observed state.',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      for (const state of tasks()) this.inc({ state });
    },
  });
  const calls = new Counter({
    name: 'shoal_agent_engine_calls_total',
    help: 'Calls to the container engine, by call and outcome.',
    labelNames: ['call', 'outcome'],
    registers,
  });
  const seconds = new Histogram({
    name: 'shoal_agent_engine_call_seconds',
    help: 'Time until the container engine answered.',
    labelNames: ['call'],
    buckets: secondsBuckets,
    registers,
  });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `shoal_agent_${name}_total`, help, labelNames, registers });
  const sessions = counter('sessions', 'Sessions opened with a dispatcher.');
  const removed = counter('containers_removed', 'Containers taken away, by reason.', ['reason']);
  const lines = counter('log_lines', 'Log lines sent.');
  const gaps = counter('log_gaps', 'Logs of tasks that could not be read to their end.');
  const subscriptions = new Gauge({
    name: 'shoal_agent_log_subscriptions',
    help: 'Log subscriptions that are being answered.',
    registers,
  });
  const up = new Gauge({
    name: 'shoal_agent_session_up',
    help: '1 while a session with a dispatcher is open; absent on a host that is in no swarm.',
    registers,
  });
  up.remove();
  return {
    engineCall: (call, outcome, ms) => {
      calls.inc({ call, outcome });
      seconds.observe({ call }, ms / msPerSecond);
    },
    tasks: (states) => {
      tasks = states;
    },
    sessionOpened: () => sessions.inc(),
    sessionUp: (open) => (open === undefined ? up.remove() : up.set(open ? 1 : 0)),
    containerRemoved: (reason) => removed.inc({ reason }),
    logLines: (count) => lines.inc(count),
    logGap: () => gaps.inc(),
    logSubscriptions: (open) => subscriptions.set(open),
  };
}
