import {
  expandTemplate as expand,
  type NodeDescription,
  type TaskAssignment,
  type TemplateSubject,
  taskName,
} from '@shoal/state';

/** What the templates of an assigned task may speak of. */
export function templateSubject(task: TaskAssignment, node: NodeDescription): TemplateSubject {
  const { taskId: id, slot, nodeId, serviceId, serviceName, serviceLabels } = task;
  return {
    service: { id: serviceId, name: serviceName, labels: serviceLabels },
    node: { id: nodeId, hostname: node.Hostname, platform: node.Platform },
    task: {
      id,
      name: taskName({ id, slot, nodeId }, serviceName),
      slot: slot === 0 ? nodeId : String(slot),
    },
  };
}

/** A template that does not say anything. The message is what Docker says. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

/** @throws TemplateError when the text cannot be expanded. */
export function expandTemplate(text: string, subject: TemplateSubject): string {
  const expansion = expand(text, subject);
  if (expansion.kind === 'invalid') throw new TemplateError(expansion.message);
  return expansion.text;
}
