import { type NodeDescription, type TaskAssignment, taskName } from '@shoal/state';

/** What Swarm's templates may speak of. */
export interface TemplateContext {
  readonly fields: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
}

export function templateContext(task: TaskAssignment, node: NodeDescription): TemplateContext {
  const { taskId: id, slot, nodeId, serviceId, serviceName, serviceLabels } = task;
  return {
    labels: serviceLabels,
    fields: new Map([
      ['.Service.ID', serviceId],
      ['.Service.Name', serviceName],
      ['.Node.ID', nodeId],
      ['.Node.Hostname', node.Hostname],
      ['.Node.Platform.Architecture', node.Platform.Architecture],
      ['.Node.Platform.OS', node.Platform.OS],
      ['.Task.ID', id],
      ['.Task.Name', taskName({ id, slot, nodeId }, serviceName)],
      ['.Task.Slot', slot === 0 ? nodeId : String(slot)],
    ]),
  };
}

/** A template that does not say anything. The message names it. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

const label = /^\.Service\.Labels\.([A-Za-z_][\w]*)$/;
const indexed = /^index\s+\.Service\.Labels\s+(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)$/;

/**
 * Replaces each `{{…}}` of `text`.
 * @throws TemplateError for a field or label that is not there.
 */
export function expandTemplate(text: string, context: TemplateContext): string {
  if (!text.includes('{{')) return text;
  const expanded = text.replace(/\s*\{\{- |\{\{/g, (open) => (open.includes('-') ? '{{' : open));
  return expanded.replace(/\{\{(.*?)\}\}/gs, (_whole, inner: string) => {
    const expression = inner.trim();
    const value = lookUp(expression, context);
    if (value === undefined)
      throw new TemplateError(`invalid template {{${expression}}} in ${text}`);
    return value;
  });
}

function lookUp(expression: string, context: TemplateContext): string | undefined {
  const field = context.fields.get(expression);
  if (field !== undefined) return field;
  const name = label.exec(expression)?.[1];
  if (name !== undefined) return own(context.labels, name);
  const match = indexed.exec(expression);
  if (match === null) return undefined;
  // `index` of a map gives the empty string for what is not there.
  return own(context.labels, match[1]?.replace(/\\(.)/g, '$1') ?? match[2] ?? '') ?? '';
}

function own(labels: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}
