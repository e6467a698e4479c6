import { CallProblem, call, type Lookups } from './functions.ts';
import type { Command, Node, Operand, Pipeline } from './tree.ts';
import {
  describe,
  isTrue,
  nil,
  type StructValue,
  sortedEntries,
  typeName,
  type Value,
} from './value.ts';

/** Most characters a template may give, and all its functions together: more than any secrets and configs of a task. */
const outputMax = 16_000_000;
/** Most rounds of all loops of a template. */
const roundsMax = 10_000;

/** What went wrong while a template ran, and where in its text. */
export class EvaluationProblem extends Error {
  override readonly name = 'EvaluationProblem';
  readonly at: number;
  /** The expression, as the template has it. */
  readonly blamed: string;

  constructor(message: string, { at, text }: { readonly at: number; readonly text: string }) {
    super(message);
    this.at = at;
    this.blamed = text;
  }
}

/**
 * What the parsed template gives for `root`.
 * @throws EvaluationProblem
 */
export function evaluate(nodes: readonly Node[], root: StructValue, lookups: Lookups = {}): string {
  const run = new Run(root, lookups);
  run.list(nodes, root);
  return run.output;
}

class Run {
  output = '';
  #rounds = 0;
  #work = 0;
  /** Innermost last; a name may be there more than once. */
  readonly #variables: { readonly name: string; value: Value }[];

  readonly #lookups: Lookups;

  constructor(root: StructValue, lookups: Lookups) {
    this.#lookups = lookups;
    this.#variables = [{ name: '$', value: root }];
  }

  list(nodes: readonly Node[], dot: Value): void {
    for (const node of nodes) this.#node(node, dot);
  }

  #node(node: Node, dot: Value): void {
    switch (node.kind) {
      case 'text':
        this.#write(node.text, { at: node.at, text: '' });
        return;
      case 'action': {
        const value = this.#pipeline(node.pipeline, dot);
        if (node.pipeline.variables.length === 0)
          this.#write(value === nil ? '<no value>' : describe(value), node.pipeline);
        return;
      }
      case 'if':
      case 'with':
        this.#scoped(() => {
          const value = this.#pipeline(node.pipeline, dot);
          if (isTrue(value)) this.list(node.body, node.kind === 'with' ? value : dot);
          else this.list(node.otherwise, dot);
        });
        return;
      case 'range':
        this.#scoped(() => this.#range(node, dot));
    }
  }

  #write(text: string, from: { readonly at: number; readonly text: string }): void {
    if (this.output.length + text.length > outputMax)
      throw new EvaluationProblem('too much text', from);
    this.output += text;
  }

  #scoped(body: () => void): void {
    const mark = this.#variables.length;
    body();
    this.#variables.length = mark;
  }

  #range(node: Node & { readonly kind: 'range' | 'if' | 'with' }, dot: Value): void {
    const { pipeline, body, otherwise } = node;
    const over = this.#value(pipeline, dot);
    const rounds = this.#roundsOf(over, pipeline);
    if (rounds.length === 0) this.list(otherwise, dot);
    for (const [key, value] of rounds) {
      this.#rounds += 1;
      if (this.#rounds > roundsMax) throw new EvaluationProblem('too many rounds', pipeline);
      this.#scoped(() => {
        const [first, second] = pipeline.variables;
        if (second !== undefined) {
          this.#assign(pipeline, first ?? second, key);
          this.#assign(pipeline, second, value);
        } else if (first !== undefined) this.#assign(pipeline, first, value);
        this.list(body, value);
      });
    }
  }

  #roundsOf(over: Value, place: Pipeline): readonly (readonly [Value, Value])[] {
    if (typeof over === 'object' && over.kind === 'map') return sortedEntries(over);
    if (typeof over === 'number' && Number.isInteger(over)) {
      const count = Math.min(Math.max(over, 0), roundsMax + 1);
      return Array.from({ length: count }, (_, at) => [at, at] as const);
    }
    throw new EvaluationProblem(`range can't iterate over ${describe(over)}`, place);
  }

  /** Of a pipeline, its variables set. */
  #pipeline(pipeline: Pipeline, dot: Value): Value {
    const value = this.#value(pipeline, dot);
    for (const name of pipeline.variables) this.#assign(pipeline, name, value);
    return value;
  }

  #assign({ declares }: Pipeline, name: string, value: Value): void {
    if (declares) this.#variables.push({ name, value });
    else {
      const variable = this.#variables.findLast((one) => one.name === name);
      if (variable !== undefined) variable.value = value;
    }
  }

  #value({ commands }: Pipeline, dot: Value): Value {
    let piped: Value | undefined;
    for (const command of commands) piped = this.#command(command, dot, piped);
    return piped ?? nil;
  }

  #command(command: Command, dot: Value, piped: Value | undefined): Value {
    const [first, ...others] = command.operands;
    if (first.kind === 'function') return this.#call(first.name, command, others, dot, piped);
    if (others.length > 0 || piped !== undefined) {
      const message = `can't give argument to non-function ${first.text}`;
      throw new EvaluationProblem(message, first);
    }
    if (first.kind === 'nil') throw new EvaluationProblem('nil is not a command', first);
    return this.#operand(first, dot);
  }

  #call(
    name: string,
    command: Command,
    operands: readonly Operand[],
    dot: Value,
    piped: Value | undefined,
  ): Value {
    if (name === 'and' || name === 'or') return this.#junction(name, command, operands, dot, piped);
    const values = operands.map((operand) => this.#operand(operand, dot));
    if (piped !== undefined) values.push(piped);
    return this.#called(name, values, command.operands[0].at);
  }

  #called(name: string, values: readonly Value[], at: number): Value {
    const blamed = { at, text: name };
    try {
      const value = call(name, values, this.#lookups);
      if (typeof value === 'string') this.#work += value.length;
      if (this.#work > outputMax) throw new EvaluationProblem('too much text', blamed);
      return value;
    } catch (error) {
      if (!(error instanceof CallProblem)) throw error;
      throw new EvaluationProblem(error.message, blamed);
    }
  }

  /** The first operand that decides, else the last; what comes after is not looked at. */
  #junction(
    name: 'and' | 'or',
    command: Command,
    operands: readonly Operand[],
    dot: Value,
    piped: Value | undefined,
  ): Value {
    let value: Value | undefined;
    for (const operand of operands) {
      value = this.#operand(operand, dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    const last = piped ?? value;
    if (last !== undefined) return last;
    const message = `wrong number of args for ${name}: want at least 1 got 0`;
    throw new EvaluationProblem(message, command);
  }

  #operand(operand: Operand, dot: Value): Value {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return nil;
      case 'constant':
        return operand.value;
      case 'function':
        return this.#called(operand.name, [], operand.at);
      case 'field':
        return fieldOf(dot, operand.path, operand);
      case 'variable': {
        const variable = this.#variables.findLast(({ name }) => name === operand.name);
        return fieldOf(variable?.value ?? nil, operand.path, operand);
      }
      case 'group':
        return fieldOf(this.#value(operand.pipeline, dot), operand.path, operand);
    }
  }
}

function fieldOf(from: Value, path: readonly string[], operand: Operand): Value {
  let value = from;
  for (const name of path) value = member(value, name, operand);
  return value;
}

function member(value: Value, name: string, operand: Operand): Value {
  if (typeof value === 'object' && value.kind === 'map') {
    const found = value.entries.get(name);
    if (found !== undefined) return found;
    throw new EvaluationProblem(`map has no entry for key ${JSON.stringify(name)}`, operand);
  }
  if (value === nil) throw new EvaluationProblem(`nil data; no entry for key ${name}`, operand);
  const found =
    typeof value === 'object' && value.kind === 'struct' ? value.fields.get(name) : undefined;
  if (found !== undefined) return found;
  const message = `can't evaluate field ${name} in type ${typeName(value)}`;
  throw new EvaluationProblem(message, operand);
}
