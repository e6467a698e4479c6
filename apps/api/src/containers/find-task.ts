import { apiErrors } from '@shoal/docker-api';
import { type Node, type Service, type StateView, type Task, taskName } from '@shoal/state';

/** A shorter part of an id is not looked for on other hosts: any word may be the beginning of one. */
const idPrefixCharsMin = 4;
const idForm = /^[0-9a-f]+$/;
const slotForm = /^(0|[1-9]\d{0,9})$/;

/** A task that a reference names, with its container. */
export interface TaskContainer {
  readonly task: Task;
  readonly containerId: string;
  /** The container's name. */
  readonly name: string;
  /** By the whole id or name, by the place of the task in its service, or by the beginning of an id. */
  readonly by: 'whole' | 'place' | 'prefix';
}

export type FoundTask =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly container: TaskContainer }
  /** There is such a task, and it has no container. */
  | { readonly kind: 'bare'; readonly task: Task; readonly name: string }
  /** A sentence in the engine's words where it has them. */
  | { readonly kind: 'ambiguous'; readonly message: string };

const none: FoundTask = { kind: 'none' };

/** Whether a reference can be an id, or the beginning of one. */
export function isIdLike(reference: string): boolean {
  return idForm.test(reference);
}

/**
 * The task whose container a reference names: id, unique beginning of an id, name (`web.1.<task id>`),
 * `service.slot` or `service.node`, which mean the newest task there that runs.
 */
export function findTask(view: StateView, given: string): FoundTask {
  const reference = given.startsWith('/') ? given.slice(1) : given;
  return isIdLike(reference) ? byId(view, reference) : byName(view, reference);
}

/**
 * `service.slot` or `service.node`: the newest task there, whatever it does; undefined for anything else.
 * @throws ApiError 400 where several nodes have that name
 */
export function newestTaskAt(view: StateView, reference: string): Task | undefined {
  const dot = reference.indexOf('.');
  const service = dot < 0 ? undefined : view.services.byName(reference.slice(0, dot));
  if (service === undefined) return undefined;
  const place = reference.slice(dot + 1);
  const tasks = tasksAt(view, service, place);
  const nodes = countPlaces(view, service, tasks);
  if (nodes > 1) throw apiErrors.ambiguous('node', place, nodes);
  return tasks.at(-1);
}

function byId(view: StateView, reference: string): FoundTask {
  if (reference.length < idPrefixCharsMin) return none;
  let found: Task | undefined;
  for (const task of view.tasks.values()) {
    const { container } = task.status;
    if (container === undefined || !container.id.startsWith(reference)) continue;
    if (container.id === reference) return foundTask(view, task, 'whole');
    if (found !== undefined) return severalIds(reference);
    found = task;
  }
  return found === undefined ? none : foundTask(view, found, 'prefix');
}

/** What the engine says of the beginning of several ids. */
export function severalIds(prefix: string): FoundTask & { readonly kind: 'ambiguous' } {
  return { kind: 'ambiguous', message: `multiple IDs found with provided prefix: ${prefix}` };
}

function byName(view: StateView, reference: string): FoundTask {
  const dot = reference.indexOf('.');
  if (dot < 0) return none;
  const name = reference.slice(0, dot);
  const service = view.services.byName(name);
  // Services are found without regard to case, containers are not.
  if (service === undefined || service.name !== name) return none;
  const place = reference.slice(dot + 1);
  const here = atPlace(view, service, place);
  if (here.kind !== 'none') return here;
  const last = place.lastIndexOf('.');
  return last < 0 ? none : byTaskId(view, service, place.slice(0, last), place.slice(last + 1));
}

/** `web.1.<task id>`; the beginning of the id is enough, as commands show it. */
function byTaskId(view: StateView, service: Service, place: string, id: string): FoundTask {
  const tasks = tasksAt(view, service, place).filter(
    (task) => id.length >= idPrefixCharsMin && task.id.startsWith(id),
  );
  const whole = tasks.find((task) => task.id === id);
  const [first, second] = tasks;
  if (whole !== undefined) return foundTask(view, whole, 'whole');
  if (second !== undefined) return severalIds(`${service.name}.${place}.${id}`);
  return first === undefined ? none : foundTask(view, first, 'place');
}

/** The newest that runs, else the newest with a container, else the newest. */
function atPlace(view: StateView, service: Service, place: string): FoundTask {
  const tasks = tasksAt(view, service, place);
  const nodes = countPlaces(view, service, tasks);
  if (nodes > 1) {
    const message = `${service.name}.${place} is ambiguous (${nodes} nodes have this name)`;
    return { kind: 'ambiguous', message };
  }
  const best =
    tasks.findLast((task) => task.status.state === 'running' && hasContainer(task)) ??
    tasks.findLast(hasContainer) ??
    tasks.at(-1);
  return best === undefined ? none : foundTask(view, best, 'place');
}

function hasContainer({ status }: Task): boolean {
  return status.container !== undefined && status.container.id !== '';
}

/** Tasks of a slot, or of a global service on a node by its id or hostname, oldest first. */
function tasksAt(view: StateView, service: Service, place: string): readonly Task[] {
  if (!isGlobal(view, service))
    return slotForm.test(place) ? [...view.tasks.bySlot(service.id, Number(place))] : [];
  const nodes = new Set(nodesCalled(view, place).map(({ id }) => id));
  if (nodes.size === 0) return [];
  return [...view.tasks.byService(service.id)].filter(({ nodeId }) => nodes.has(nodeId));
}

/** Nodes may share a hostname, which then is no place. */
function countPlaces(view: StateView, service: Service, tasks: readonly Task[]): number {
  return isGlobal(view, service) ? new Set(tasks.map(({ nodeId }) => nodeId)).size : 1;
}

function isGlobal(view: StateView, { id, revision }: Service): boolean {
  const mode = view.revisions.of(id, revision)?.spec.Mode;
  return mode?.Global !== undefined || mode?.GlobalJob !== undefined;
}

function nodesCalled(view: StateView, name: string): readonly Node[] {
  const node = view.nodes.get(name);
  return node === undefined ? view.nodes.byHostname(name) : [node];
}

function foundTask(view: StateView, task: Task, by: TaskContainer['by']): FoundTask {
  const name = taskName(task, view.services.get(task.serviceId)?.name ?? task.serviceId);
  const containerId = task.status.container?.id ?? '';
  if (containerId === '') return { kind: 'bare', task, name };
  return { kind: 'found', container: { task, containerId, name, by } };
}
