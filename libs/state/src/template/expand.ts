import type { Labels, NodeDescription } from '../spec.ts';
import { EvaluationProblem, evaluate } from './evaluate.ts';
import { functionNames, type Lookups } from './functions.ts';
import { SyntaxProblem } from './lexer.ts';
import { parse } from './parser.ts';
import type { StructValue, Value } from './value.ts';

/** What the templates of a service may speak of. */
export interface TemplateSubject {
  readonly service: { readonly id: string; readonly name: string; readonly labels: Labels };
  readonly node: {
    readonly id: string;
    readonly hostname: string;
    readonly platform: NodeDescription['Platform'];
  };
  readonly task: {
    readonly id: string;
    readonly name: string;
    /** The slot, or the node's id where tasks have none. */
    readonly slot: string;
  };
}

export type Expansion =
  | { readonly kind: 'text'; readonly text: string }
  /** The message is Go's text/template's. */
  | { readonly kind: 'invalid'; readonly message: string };

/** The name that Swarm gives all its templates; it stands in the messages. */
const templateName = 'expansion';

/** Expands what a service says of its host name, environment or mounts, as Swarm does it with Go's text/template. */
export function expandTemplate(
  text: string,
  subject: TemplateSubject,
  lookups: Lookups = {},
): Expansion {
  if (!text.includes('{{')) return { kind: 'text', text };
  const isFunction = (name: string): boolean =>
    functionNames.has(name) || Object.hasOwn(lookups, name);
  try {
    return { kind: 'text', text: evaluate(parse(text, isFunction), root(subject), lookups) };
  } catch (error) {
    const message = messageOf(error, text);
    if (message === undefined) throw error;
    return { kind: 'invalid', message };
  }
}

function messageOf(error: unknown, text: string): string | undefined {
  if (error instanceof SyntaxProblem)
    return `template: ${templateName}:${lineOf(text, error.at)}: ${error.message}`;
  // Too deep for the stack, or half of a character where a whole one is needed.
  if (error instanceof RangeError || error instanceof URIError)
    return `template: ${templateName}: ${error.message}`;
  if (!(error instanceof EvaluationProblem)) return undefined;
  const before = text.slice(0, error.at);
  const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
  const place = `${templateName}:${lineOf(text, error.at)}:${column}`;
  return `template: ${place}: executing "${templateName}" at <${error.blamed}>: ${error.message}`;
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

function root({ service, node, task }: TemplateSubject): StructValue {
  return struct('*template.Context', {
    Service: struct('struct { ID string; Name string; Labels map[string]string }', {
      ID: service.id,
      Name: service.name,
      Labels: { kind: 'map', entries: new Map(Object.entries(service.labels)) },
    }),
    Node: struct('struct { ID string; Hostname string; Platform template.Platform }', {
      ID: node.id,
      Hostname: node.hostname,
      Platform: struct('template.Platform', {
        Architecture: node.platform.Architecture,
        OS: node.platform.OS,
      }),
    }),
    Task: struct('struct { ID string; Name string; Slot string }', {
      ID: task.id,
      Name: task.name,
      Slot: task.slot,
    }),
  });
}

function struct(type: string, fields: Readonly<Record<string, Value>>): StructValue {
  return { kind: 'struct', type, fields: new Map(Object.entries(fields)) };
}
