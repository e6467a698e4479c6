import {
  isBefore,
  isTerminal,
  meetsPlacement,
  type StateView,
  type Task,
  taskAge,
} from '@shoal/state';
import { nodeName } from '../plan/outcome.ts';
import { placeOf } from '../plan/touched.ts';

/** Tasks of a slot that a chain goes back through. */
const chainTasksMax = 10;

/** One thing that led to another. */
export interface Link {
  /** Milliseconds since 1970, on the clock of the log. */
  readonly at: number;
  /** The entry of the log that last wrote what this speaks of. */
  readonly logIndex: number;
  /** A sentence for people. */
  readonly text: string;
}

/** Why the task is there and how it came where it is, as far as the state still tells; oldest first. */
export function chainOf(view: StateView, task: Task): readonly Link[] {
  const mates = slotMates(view, task);
  const at = mates.findIndex(({ id }) => id === task.id);
  const line = mates.slice(Math.max(0, at - chainTasksMax + 1), at + 1);
  const links: Link[] = [];
  for (const [position, one] of line.entries()) {
    const before = line[position - 1];
    links.push({
      ...stamp(one, one.meta.createdAt),
      text: `${one.id} ${origin(view, one, before)}`,
    });
    links.push(...nodeLinks(view, one));
    links.push({ ...stamp(one, one.status.at), text: `${one.id} ${standing(view, one)}` });
  }
  return links.sort((a, b) => a.at - b.at);
}

function slotMates(view: StateView, task: Task): readonly Task[] {
  const place = placeOf(view, task);
  const mates = [...view.tasks.bySlot(task.serviceId, task.slot)];
  const same = place.nodeId === '' ? mates : mates.filter(({ nodeId }) => nodeId === place.nodeId);
  return same.sort((a, b) => a.meta.createdAt - b.meta.createdAt || (a.id < b.id ? -1 : 1));
}

function stamp({ meta }: Task, at: number): Pick<Link, 'at' | 'logIndex'> {
  return { at, logIndex: meta.version };
}

/** Why the task was made. */
function origin(view: StateView, task: Task, before: Task | undefined): string {
  const { movedFrom, revision } = task;
  if (movedFrom !== undefined)
    return `was made to take over from ${nodeName(view, movedFrom).hostname}: rebalancing`;
  if (before === undefined) return `was made for slot ${task.slot} of revision ${revision}`;
  if (!endedByItself(before) && isOutdated(view, before, revision))
    return `replaces ${before.id}: the service went from revision ${before.revision} to ${revision}`;
  return `replaces ${before.id}, which ${ending(view, before)}`;
}

function endedByItself({ status: { state } }: Task): boolean {
  return state === 'failed' || state === 'rejected' || state === 'complete';
}

/** A task of an older revision that says the same of it is kept, with the number it has. */
function isOutdated(view: StateView, { serviceId, revision, nodeId }: Task, to: number): boolean {
  const current = view.revisions.of(serviceId, to);
  if (revision === to || current === undefined) return revision !== to;
  const age = taskAge(view.revisions.of(serviceId, revision), current);
  if (age !== 'placement-differs') return age === 'old';
  const node = view.nodes.get(nodeId);
  return node !== undefined && !meetsPlacement(node, current);
}

/** How the one before came to its end. */
function ending(view: StateView, task: Task): string {
  const { state, err, container } = task.status;
  const code =
    container === undefined || container.exitCode === 0 ? '' : ` (exit code ${container.exitCode})`;
  if (endedByItself(task)) return `ended as ${state}${code}${err === '' ? '' : `: ${err}`}`;
  const { displaced, nodeId } = task;
  if (displaced !== undefined) return `gave way to ${displaced.by}: ${displaced.reason}`;
  const node = view.nodes.get(nodeId);
  const { hostname } = nodeName(view, nodeId);
  if (nodeId !== '' && node === undefined) return `was on ${hostname}, which was removed`;
  if (node?.status.state === 'down') return `was on ${hostname}, which is down`;
  if (node?.spec.Availability === 'drain') return `was on ${hostname}, which is drained`;
  return `was told to stop on ${nodeId === '' ? 'no node yet' : hostname}`;
}

/** What is wrong with the node that the task was given to. */
function nodeLinks(view: StateView, { nodeId }: Task): readonly Link[] {
  const node = view.nodes.get(nodeId);
  if (node === undefined) return [];
  const { hostname } = nodeName(view, nodeId);
  const told = { at: node.meta.updatedAt, logIndex: node.meta.version };
  const { state, message } = node.status;
  if (state === 'down')
    return [{ ...told, text: `node ${hostname} is down${message === '' ? '' : `: ${message}`}` }];
  if (node.spec.Availability === 'drain') return [{ ...told, text: `node ${hostname} is drained` }];
  return [];
}

function standing(view: StateView, { status, nodeId, desired }: Task): string {
  const { state, err, message } = status;
  const where = nodeId === '' ? '' : ` on ${nodeName(view, nodeId).hostname}`;
  if (isBefore(state, 'assigned') && err !== '') return `waits: ${err}`;
  const said = err === '' ? message : err;
  const tail = said === '' || said === state ? '' : `: ${said}`;
  const called = !isTerminal(state) && isBefore('complete', desired) ? ', told to stop' : '';
  return `is ${state}${where}${called}${tail}`;
}
