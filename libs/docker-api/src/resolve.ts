import type {
  Config,
  DocumentTableView,
  Network,
  Node,
  Secret,
  Service,
  StateObject,
  StateView,
  TableView,
  Task,
} from '@shoal/state';
import { taskName } from '@shoal/state';
import type { DocumentKind } from './documents/request.ts';
import { apiErrors, type ObjectKind } from './errors.ts';

/** One more than needed to see that a prefix is ambiguous, and enough to count small crowds. */
const matchesMax = 100;

/**
 * Finds what a path or filter names: the id, else the name, else the start of an id. Names that differ in
 * case alone exclude each other, and yet each is written as it is.
 * @throws ApiError 404 when nothing matches, 400 when several do.
 */
function resolve<T extends StateObject>(
  kind: ObjectKind,
  table: TableView<T>,
  ref: string,
  named: (name: string) => readonly T[],
): T {
  const exact = table.get(ref);
  if (exact !== undefined) return exact;
  const byName = named(ref);
  const found = byName.length > 0 || ref === '' ? byName : table.byIdPrefix(ref, matchesMax);
  const [first] = found;
  if (first === undefined) throw apiErrors.notFound(kind, ref);
  if (found.length > 1) throw apiErrors.ambiguous(kind, ref, found.length);
  return first;
}

export function resolveService(view: StateView, ref: string): Service {
  return resolve('service', view.services, ref, (name) => {
    const service = view.services.byName(name);
    return service?.name === name ? [service] : [];
  });
}

export function resolveDocument(view: StateView, kind: 'secret', ref: string): Secret;
export function resolveDocument(view: StateView, kind: 'config', ref: string): Config;
export function resolveDocument(view: StateView, kind: DocumentKind, ref: string): Secret | Config;
export function resolveDocument(view: StateView, kind: DocumentKind, ref: string): Secret | Config {
  const table: DocumentTableView<Secret | Config> = kind === 'secret' ? view.secrets : view.configs;
  return resolve(kind, table, ref, (name) => {
    const document = table.byName(name);
    return document?.spec.Name === name ? [document] : [];
  });
}

/** A node's name is its hostname, which several may share. */
export function resolveNode(view: StateView, ref: string): Node {
  return resolve('node', view.nodes, ref, (name) => view.nodes.byHostname(name));
}

export function resolveTask(view: StateView, ref: string): Task {
  return resolve('task', view.tasks, ref, (name) => {
    // A task's name ends in its id.
    const task = view.tasks.get(name.slice(name.lastIndexOf('.') + 1));
    const service = task === undefined ? undefined : view.services.get(task.serviceId);
    if (task === undefined || service === undefined) return [];
    return taskName(task, service.name) === name ? [task] : [];
  });
}

export function resolveNetwork(view: StateView, ref: string): Network {
  return resolve('network', view.networks, ref, (name) => {
    const network = view.networks.byName(name);
    return network?.spec.Name === name ? [network] : [];
  });
}
