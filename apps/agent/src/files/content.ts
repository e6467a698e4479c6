import type { TaskDocument } from '@shoal/proto';
import {
  CallProblem,
  expandTemplate,
  type Lookups,
  type NodeDescription,
  type TaskAssignment,
} from '@shoal/state';
import { templateSubject } from '../executor/template.ts';

export interface Surroundings {
  readonly assignment: TaskAssignment;
  readonly node: NodeDescription;
  /** Everything that the task is given. */
  readonly documents: readonly TaskDocument[];
}

export type Content =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'invalid'; readonly message: string };

/** The content of a file: as it is, or expanded for the task where it is a template. */
export function contentOf(document: TaskDocument, surroundings: Surroundings): Content {
  const { kind, name, data, templating } = document;
  if (templating === '') return { kind: 'bytes', bytes: data };
  const { assignment, node } = surroundings;
  const subject = templateSubject(assignment, node);
  const expansion = expandTemplate(data.toString('utf8'), subject, lookupsOf(surroundings));
  return expansion.kind === 'text'
    ? { kind: 'bytes', bytes: Buffer.from(expansion.text) }
    : { kind: 'invalid', message: `${kind} ${name} cannot be expanded: ${expansion.message}` };
}

/** Functions of templates: a file of the task by its name, a variable of its environment. */
function lookupsOf({ assignment, documents }: Surroundings): Lookups {
  const { Secrets = [], Configs = [], Env = [] } = assignment.template.ContainerSpec;
  const content = (kind: TaskDocument['kind'], id: string | undefined, target: string): string => {
    const document = documents.find((one) => one.kind === kind && one.id === id);
    if (document === undefined) throw new CallProblem(`${kind} target ${target} not found`);
    return document.data.toString('utf8');
  };
  return {
    secret: (target) =>
      content('secret', Secrets.find(({ File }) => File?.Name === target)?.SecretID, target),
    config: (target) =>
      content('config', Configs.find(({ File }) => File?.Name === target)?.ConfigID, target),
    env: (variable) => {
      const entry = Env.find((each) => each.startsWith(`${variable}=`));
      return entry === undefined ? '' : entry.slice(variable.length + 1);
    },
  };
}
