import { isUtf8 } from 'node:buffer';
import type { TaskDocument } from '@shoal/proto';
import {
  CallProblem,
  expandTemplate,
  type FileTarget,
  type Lookups,
  type NodeDescription,
  type TaskAssignment,
  type TemplateSubject,
} from '@shoal/state';
import { environment } from '../executor/container-config.ts';
import { TemplateError, templateSubject } from '../executor/template.ts';

export interface Surroundings {
  readonly assignment: TaskAssignment;
  readonly node: NodeDescription;
  /** Everything that the task is given. */
  readonly documents: readonly TaskDocument[];
}

export type Content =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'invalid'; readonly message: string };

/** How bytes are seen as text while a template is expanded; with `latin1` each byte is a character. */
type Encoding = 'utf8' | 'latin1';

/** The content of a file: as it is, or expanded for the task where it is a template. */
export function contentOf(document: TaskDocument, surroundings: Surroundings): Content {
  if (document.templating === '') return { kind: 'bytes', bytes: document.data };
  const used = [document];
  const content = expanded(document, surroundings, 'utf8', used);
  // Go's templates are of bytes, and those of other encodings come through.
  return used.every(({ data }) => isUtf8(data))
    ? content
    : expanded(document, surroundings, 'latin1', used);
}

/** `used` is added the documents that the template asks for. */
function expanded(
  { kind, name, data }: TaskDocument,
  surroundings: Surroundings,
  encoding: Encoding,
  used: TaskDocument[],
): Content {
  const { assignment, node } = surroundings;
  const subject = templateSubject(assignment, node);
  const lookups = lookupsOf(surroundings, subject, encoding, used);
  const expansion = expandTemplate(data.toString(encoding), seen(subject, encoding), lookups);
  if (expansion.kind === 'text') {
    return { kind: 'bytes', bytes: Buffer.from(expansion.text, encoding) };
  }
  const message = Buffer.from(expansion.message, encoding).toString();
  return { kind: 'invalid', message: `${kind} ${name} cannot be expanded: ${message}` };
}

/** Functions of templates: a file of the task by its name, a variable of its environment. */
function lookupsOf(
  { assignment, documents }: Surroundings,
  subject: TemplateSubject,
  encoding: Encoding,
  used: TaskDocument[],
): Lookups {
  const { Secrets = [], Configs = [] } = assignment.template.ContainerSpec;
  const content = (kind: TaskDocument['kind'], id: string | undefined, target: string): string => {
    const document = documents.find((one) => one.kind === kind && one.id === id);
    if (document === undefined) throw new CallProblem(`${kind} target ${target} not found`);
    used.push(document);
    return document.data.toString(encoding);
  };
  const nameOf = (file: FileTarget | undefined): string | undefined =>
    file === undefined ? undefined : as(file.Name, encoding);
  return {
    secret: (target) =>
      content('secret', Secrets.find(({ File }) => nameOf(File) === target)?.SecretID, target),
    config: (target) =>
      content('config', Configs.find(({ File }) => nameOf(File) === target)?.ConfigID, target),
    env: (variable) => {
      const entries = variables(assignment, subject).map((each) => as(each, encoding));
      const entry = entries.find((each) => each.startsWith(`${variable}=`));
      return entry === undefined ? '' : entry.slice(variable.length + 1);
    },
  };
}

/** @throws CallProblem */
function variables(assignment: TaskAssignment, subject: TemplateSubject): string[] {
  try {
    return environment(assignment, subject);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new CallProblem(error.message);
  }
}

/** A text as its bytes are seen. */
function as(text: string, encoding: Encoding): string {
  return Buffer.from(text).toString(encoding);
}

/** What people may have named in other characters than those of ASCII. */
function seen(subject: TemplateSubject, encoding: Encoding): TemplateSubject {
  const { service, node } = subject;
  const labels = Object.entries(service.labels).map(
    ([name, value]) => [as(name, encoding), as(value, encoding)] as const,
  );
  return {
    ...subject,
    service: { ...service, labels: Object.fromEntries(labels) },
    node: { ...node, hostname: as(node.hostname, encoding) },
  };
}
