import type { TaskDocument } from '@shoal/proto';
import { isBefore, isTerminal, type Sealed, type StateView } from '@shoal/state';

/** Opens what was sealed for a place; undefined when it does not open. */
export type OpenSealed = (sealed: Sealed, place: string) => Uint8Array | undefined;

export type TaskDocuments =
  | { readonly kind: 'documents'; readonly documents: readonly TaskDocument[] }
  | { readonly kind: 'refused'; readonly message: string };

/** Every secret and config that a task names. Only its own node is told, while the task is to run. */
export function taskDocuments(
  view: StateView,
  { nodeId, taskId }: { readonly nodeId: string; readonly taskId: string },
  open: OpenSealed,
): TaskDocuments {
  const task = view.tasks.get(taskId);
  const runs =
    task !== undefined && !isTerminal(task.status.state) && isBefore(task.desired, 'shutdown');
  // Somebody else's task is no different from one that is not there.
  if (!runs || task.nodeId !== nodeId)
    return refused(`node ${nodeId} has no task ${taskId} that is to run`);
  const container = view.revisions.of(task.serviceId, task.revision)?.spec.TaskTemplate
    .ContainerSpec;
  const documents: TaskDocument[] = [];
  for (const id of distinct(container?.Secrets?.map(({ SecretID }) => SecretID))) {
    const secret = view.secrets.get(id);
    if (secret === undefined) return refused(`secret ${id} of task ${taskId} is gone`);
    const data = open(secret.data, `secret/${id}`);
    if (data === undefined) return refused(`secret ${secret.spec.Name} cannot be opened here`);
    documents.push(documentOf('secret', secret, Buffer.from(data)));
  }
  for (const id of distinct(container?.Configs?.map(({ ConfigID }) => ConfigID))) {
    const config = view.configs.get(id);
    if (config === undefined) return refused(`config ${id} of task ${taskId} is gone`);
    documents.push(documentOf('config', config, Buffer.from(config.data, 'base64')));
  }
  return { kind: 'documents', documents };
}

function refused(message: string): TaskDocuments {
  return { kind: 'refused', message };
}

function distinct(ids: readonly string[] | undefined): ReadonlySet<string> {
  return new Set(ids);
}

function documentOf(
  kind: TaskDocument['kind'],
  {
    id,
    spec,
  }: {
    readonly id: string;
    readonly spec: { Name: string; Templating?: { Name: string } | undefined };
  },
  data: Buffer,
): TaskDocument {
  return { kind, id, name: spec.Name, data, templating: spec.Templating?.Name ?? '' };
}
