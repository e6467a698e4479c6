import { functionNames } from './functions.ts';
import { SyntaxProblem, type Token, tokens } from './lexer.ts';
import { unquote } from './literal.ts';
import type { Command, Node, Operand, Pipeline } from './tree.ts';

/** Deepest nesting of blocks and of brackets. */
const depthMax = 50;
const keywords = ['if', 'else', 'end', 'range', 'with'] as const;
/** What Go has besides and nobody needs for a host name. */
const unsupported = ['define', 'template', 'block', 'break', 'continue'];

/**
 * Parses a template of Go's text/template without nested templates.
 * @throws SyntaxProblem
 */
export function parse(
  source: string,
  isFunction = (name: string): boolean => functionNames.has(name),
): readonly Node[] {
  const parser = new Parser(source, isFunction);
  return parser.document();
}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  /** Variables in scope. */
  #variables: string[] = ['$'];

  readonly #isFunction: (name: string) => boolean;

  constructor(source: string, isFunction: (name: string) => boolean) {
    this.#isFunction = isFunction;
    this.#source = source;
    this.#tokens = tokens(source);
  }

  document(): readonly Node[] {
    const { nodes, closedBy } = this.#list();
    if (closedBy !== 'end of text') throw this.#problem(`unexpected {{${closedBy}}}`);
    return nodes;
  }

  /** Up to the end of the text, or an `{{end}}` or `{{else …`, of which only the word is read. */
  #list(): { nodes: readonly Node[]; closedBy: 'end of text' | 'end' | 'else' } {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#take();
      if (token.kind === 'end') return { nodes, closedBy: 'end of text' };
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', at: token.at, text: token.text });
        continue;
      }
      const word = this.#takeKeyword();
      if (word === 'end') {
        this.#takeClose('end');
        return { nodes, closedBy: 'end' };
      }
      if (word === 'else') return { nodes, closedBy: 'else' };
      if (word === undefined) {
        nodes.push({ kind: 'action', pipeline: this.#pipeline('command', 'close') });
      } else nodes.push(this.#block(word));
    }
  }

  #block(kind: 'if' | 'with' | 'range'): Node {
    const scope = this.#variables.length;
    this.#deeper();
    const pipeline = this.#pipeline(kind, 'close');
    const { nodes: body, closedBy } = this.#list();
    const otherwise = closedBy === 'else' ? this.#otherwise(kind) : [];
    if (closedBy === 'end of text') throw this.#problem('unexpected EOF');
    this.#variables = this.#variables.slice(0, scope);
    this.#depth -= 1;
    return { kind, pipeline, body, otherwise };
  }

  /** After `{{else`: another condition, which shares the `{{end}}`, or what stands for all others. */
  #otherwise(kind: 'if' | 'with' | 'range'): readonly Node[] {
    const word = this.#takeKeyword();
    if (word === kind && kind !== 'range') return [this.#block(kind)];
    this.#takeClose('else');
    const { nodes, closedBy } = this.#list();
    if (closedBy === 'else') throw this.#problem('expected end; found {{else}}');
    if (closedBy === 'end of text') throw this.#problem('unexpected EOF');
    return nodes;
  }

  #pipeline(context: string, until: 'close' | ')'): Pipeline {
    this.#skipSpace();
    const at = this.#peek().at;
    const { variables, declares } = this.#declaration(context);
    const commands: Command[] = [];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token.kind === 'close' || token.text === ')') {
        this.#take();
        const closes = token.kind === 'close' ? 'close' : ')';
        if (closes !== until) throw this.#unexpected(token, context);
        if (commands.length === 0) throw this.#problem(`missing value for ${context}`);
        for (const name of declares ? variables : []) this.#variables.push(name);
        return { at, text: this.#quote(at, token.at), variables, declares, commands };
      }
      const command = this.#command(context);
      if (commands.length > 0) this.#checkCallable(command, commands.length);
      commands.push(command);
    }
  }

  /** `$a :=`, `$a =` or, for a range, `$a, $b :=`; nothing is read if there is none. */
  #declaration(context: string): { variables: readonly string[]; declares: boolean } {
    const rest = this.#source.slice(this.#peek().at);
    const pattern =
      context === 'range'
        ? /^\$[\p{L}\p{Nd}_]+\s*(?:,\s*\$[\p{L}\p{Nd}_]+\s*)?:?=/u
        : /^\$[\p{L}\p{Nd}_]+\s*:?=/u;
    const match = pattern.exec(rest);
    if (match === null) return { variables: [], declares: false };
    const end = this.#peek().at + match[0].length;
    while (this.#peek().at < end) this.#take();
    const variables = match[0].match(/\$[\p{L}\p{Nd}_]+/gu) ?? [];
    const declares = match[0].endsWith(':=');
    const unknown = variables.find((name) => !this.#variables.includes(name));
    if (!declares && unknown !== undefined)
      throw this.#problem(`undefined variable ${JSON.stringify(unknown)}`);
    return { variables, declares };
  }

  #checkCallable(command: Command, place: number): void {
    const [first] = command.operands;
    if (['constant', 'dot', 'nil'].includes(first.kind))
      throw this.#problem(`non executable command in pipeline stage ${place + 1}`);
  }

  #command(context: string): Command {
    const at = this.#peek().at;
    const operands: Operand[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === 'space') {
        this.#take();
        continue;
      }
      if (token.kind === 'close' || token.text === ')') break;
      if (token.text === '|') {
        this.#take();
        if (operands.length === 0 || this.#peekPastSpace().kind === 'close')
          throw this.#problem(`missing value for ${context}`);
        break;
      }
      if (operands.length > 0 && this.#tokens[this.#next - 1]?.kind !== 'space')
        throw this.#unexpected(token, 'operand');
      operands.push(this.#operand());
    }
    const [first, ...others] = operands;
    if (first === undefined) throw this.#problem('empty command');
    const last = operands.at(-1) ?? first;
    const text = operands.length === 1 ? first.text : operands.map((one) => one.text).join(' ');
    return { at: last === first ? first.at : at, text, operands: [first, ...others] };
  }

  #operand(): Operand {
    const token = this.#take();
    const term = this.#term(token);
    if (this.#peek().kind !== 'field') return term;
    if (term.kind === 'constant' || term.kind === 'nil' || term.kind === 'dot')
      throw this.#problem(`unexpected . after term ${JSON.stringify(term.text)}`);
    if (term.kind === 'function')
      throw this.#problem(`unexpected . after term ${JSON.stringify(term.text)}`);
    // Go blames what follows the first name of a chain.
    const at = this.#peek().at;
    const path = [...term.path];
    let text = term.text;
    while (this.#peek().kind === 'field') {
      const field = this.#take();
      path.push(field.text.slice(1));
      text += field.text;
    }
    return { ...term, at, path, text };
  }

  #term(token: Token): Operand {
    const { at, text } = token;
    switch (token.kind) {
      case 'word':
        return this.#word(token);
      case 'dot':
        return { kind: 'dot', at, text };
      case 'field':
        return { kind: 'field', at, text, path: [text.slice(1)] };
      case 'variable':
        if (!this.#variables.includes(text))
          throw this.#problem(`undefined variable ${JSON.stringify(text)}`);
        return { kind: 'variable', at, text, name: text, path: [] };
      case 'string':
        return { kind: 'constant', at, text, value: unquote(text, at) };
      case 'character':
        return { kind: 'constant', at, text, value: unquote(text, at).codePointAt(0) ?? 0 };
      case 'number':
        return { kind: 'constant', at, text, value: Number(text.replaceAll('_', '')) };
      default:
        if (text === '(') return this.#group(token);
        throw this.#unexpected(token, 'command');
    }
  }

  #group({ at }: Token): Operand {
    this.#deeper();
    const pipeline = this.#pipeline('parenthesized pipeline', ')');
    this.#depth -= 1;
    return { kind: 'group', at, text: `(${pipeline.text})`, pipeline, path: [] };
  }

  #word({ at, text }: Token): Operand {
    if (text === 'true' || text === 'false')
      return { kind: 'constant', at, text, value: text === 'true' };
    if (text === 'nil') return { kind: 'nil', at, text };
    if ((keywords as readonly string[]).includes(text))
      throw this.#problem(`unexpected <${text}> in operand`);
    if (!this.#isFunction(text))
      throw this.#problem(`function ${JSON.stringify(text)} not defined`);
    return { kind: 'function', at, text, name: text };
  }

  /** The keyword an action begins with, if it does. */
  #takeKeyword(): (typeof keywords)[number] | undefined {
    this.#skipSpace();
    const { kind, text } = this.#peek();
    if (kind !== 'word') return undefined;
    if (unsupported.includes(text)) throw this.#problem(`{{${text}}} is not supported`);
    const keyword = keywords.find((known) => known === text);
    if (keyword !== undefined) this.#take();
    return keyword;
  }

  #takeClose(context: string): void {
    this.#skipSpace();
    const token = this.#take();
    if (token.kind !== 'close') throw this.#unexpected(token, context);
  }

  #deeper(): void {
    this.#depth += 1;
    if (this.#depth > depthMax) throw this.#problem('nested too deeply');
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', text: '', at: this.#source.length };
  }

  #peekPastSpace(): Token {
    this.#skipSpace();
    return this.#peek();
  }

  #take(): Token {
    const token = this.#peek();
    this.#next += 1;
    return token;
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#next += 1;
  }

  #quote(from: number, to: number): string {
    return this.#source.slice(from, to).trim();
  }

  #problem(message: string): SyntaxProblem {
    return new SyntaxProblem(message, this.#peek().at);
  }

  #unexpected({ text, kind }: Token, context: string): SyntaxProblem {
    const quoted =
      kind === 'end'
        ? 'EOF'
        : text.length > 10
          ? `${JSON.stringify(text.slice(0, 10))}...`
          : JSON.stringify(text);
    return this.#problem(`unexpected ${quoted} in ${context}`);
  }
}
