import { isDeepStrictEqual } from 'node:util';
import type { TaskStatusReport } from '@shoal/proto';
import {
  type Change,
  isBefore,
  isTerminal,
  type StateView,
  type TaskStatus,
  taskStateRank,
} from '@shoal/state';
import { z } from 'zod';
import type { Write, WriteEnd } from './writer.ts';

const states = Object.keys(taskStateRank) as (keyof typeof taskStateRank)[];

/** Of a longer sentence the beginning counts: a task that ended has ended, whatever its engine had to say. */
const sentenceCharsMax = 4_096;
/** As many as the log takes. */
const portsMax = 4_096;
const sentence = z.string().transform((text) => text.slice(0, sentenceCharsMax));
const port = z.int().min(0).max(65_535);

/** What an agent may say of a task; what it must not decide (`assigned` and before) is left out. */
const statusShape = z.object({
  state: z.enum(states.filter((state) => !isBefore(state, 'accepted'))),
  at: z.int().nonnegative(),
  message: sentence,
  err: sentence,
  container: z.object({ id: z.string(), pid: z.int(), exitCode: z.int() }).optional(),
  startedAt: z.int().nonnegative().optional(),
  ports: z
    .array(
      z.object({
        Name: z.string().optional(),
        Protocol: z.enum(['tcp', 'udp', 'sctp']),
        TargetPort: port,
        PublishedPort: port.optional(),
        PublishMode: z.enum(['ingress', 'host']),
      }),
    )
    .max(portsMax)
    .optional(),
  load: z
    .object({ processors: z.number().nonnegative(), memoryBytes: z.int().nonnegative() })
    .optional(),
});

/** Undefined when the report is not a task status. */
export function readStatus(report: TaskStatusReport): TaskStatus | undefined {
  try {
    const parsed = statusShape.safeParse(JSON.parse(report.status.toString('utf8')));
    return parsed.success ? (parsed.data as TaskStatus) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether `next` says something of the task that the state does not know yet. */
export function isNews(current: TaskStatus, next: TaskStatus): boolean {
  // A stopped task is history. And reports may arrive twice, late, or after those that overtook them.
  if (isTerminal(current.state) || isBefore(next.state, current.state)) return false;
  if (current.state !== next.state) return true;
  return next.at >= current.at && !isDeepStrictEqual(withoutAbsent(current), withoutAbsent(next));
}

function withoutAbsent(status: TaskStatus): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
}

/** The write of one report. */
export function statusWrite(
  nodeId: string,
  taskId: string,
  status: TaskStatus,
  done: (end: WriteEnd) => void,
): Write {
  return {
    key: `task/${taskId}`,
    actor: { kind: 'agent', name: nodeId },
    reason: status.err === '' ? status.message : status.err,
    change(view: StateView): Change | undefined {
      const task = view.tasks.get(taskId);
      if (task === undefined || task.nodeId !== nodeId || !isNews(task.status, status)) {
        return undefined;
      }
      return { op: 'update', table: 'task', object: { ...task, status } };
    },
    done,
  };
}

/** Which messages of a session are settled, so that they can be acknowledged in order. */
export class Acknowledgements {
  /** Open reports by sequence, in order. */
  readonly #open = new Map<number, number>();
  #last = 0;
  #acknowledged = 0;

  get openReports(): number {
    let sum = 0;
    for (const count of this.#open.values()) sum += count;
    return sum;
  }

  received(sequence: number, reports: number): void {
    this.#last = Math.max(this.#last, sequence);
    if (reports > 0) this.#open.set(sequence, reports);
  }

  settled(sequence: number): void {
    const left = (this.#open.get(sequence) ?? 0) - 1;
    if (left > 0) this.#open.set(sequence, left);
    else this.#open.delete(sequence);
  }

  /** The sequence to acknowledge now, if it is more than was acknowledged before. */
  take(): number | undefined {
    const first = this.#open.keys().next();
    const upTo = first.done === true ? this.#last : first.value - 1;
    if (upTo <= this.#acknowledged) return undefined;
    this.#acknowledged = upTo;
    return upTo;
  }
}
