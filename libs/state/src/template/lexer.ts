/** A piece of a template; `at` is its offset in the text. Space between words of an action counts. */
export interface Token {
  readonly kind:
    | 'text'
    | 'open'
    | 'close'
    | 'space'
    | 'word'
    | 'field'
    | 'dot'
    | 'variable'
    | 'string'
    | 'character'
    | 'number'
    | 'sign'
    | 'end';
  readonly text: string;
  readonly at: number;
}

/** A text that is no template, said as Go's text/template says it. */
export class SyntaxProblem extends Error {
  override readonly name = 'SyntaxProblem';
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** Sticky patterns of what stands in an action, in the order they are tried. */
const patterns: readonly (readonly [Token['kind'], RegExp])[] = [
  ['space', /[ \t\r\n]+/y],
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`/y],
  ['character', /'(?:[^'\\\n]|\\.)+'/y],
  ['number', /[+-]?(?:0[xX][0-9a-fA-F_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?)/y],
  ['field', /\.[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['dot', /\./y],
  ['variable', /\$[\p{L}\p{Nd}_]*/uy],
  ['word', /[\p{L}_][\p{L}\p{Nd}_]*/uy],
  ['sign', /:=|[|(),=]/y],
];

/**
 * Splits a template into its pieces, with the white space gone that `{{-` and `-}}` eat, and comments.
 * @throws SyntaxProblem
 */
export function tokens(source: string): readonly Token[] {
  const found: Token[] = [];
  let at = 0;
  let eatSpace = false;
  for (;;) {
    const open = source.indexOf('{{', at);
    const trimsBefore = open >= 0 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    let text = source.slice(at, open < 0 ? undefined : open);
    if (eatSpace) text = text.replace(/^[ \t\r\n]+/, '');
    if (trimsBefore) text = withoutSpaceAtEnd(text);
    if (text !== '') found.push({ kind: 'text', text, at });
    if (open < 0) break;
    const action = scanAction(source, open, open + (trimsBefore ? 4 : 2), found);
    at = action.end;
    eatSpace = action.eatsSpace;
  }
  found.push({ kind: 'end', text: '', at: source.length });
  return found;
}

/** A regular expression would try anew at each blank of a long run. */
function withoutSpaceAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && ' \t\r\n'.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

interface Action {
  readonly end: number;
  /** Whether it ended with ` -}}`. */
  readonly eatsSpace: boolean;
}

function scanAction(source: string, open: number, inside: number, found: Token[]): Action {
  if (source.startsWith('/*', inside)) return scanComment(source, inside);
  found.push({ kind: 'open', text: '{{', at: open });
  let at = inside;
  for (;;) {
    const close = /([ \t\r\n]+-)?\}\}/y;
    close.lastIndex = at;
    const closed = close.exec(source);
    if (closed !== null) {
      found.push({ kind: 'close', text: '}}', at });
      return { end: close.lastIndex, eatsSpace: closed[1] !== undefined };
    }
    const token = nextToken(source, at);
    found.push(token);
    at += token.text.length;
  }
}

function scanComment(source: string, at: number): Action {
  const end = source.indexOf('*/', at);
  if (end < 0) throw new SyntaxProblem('unclosed comment', at);
  const close = /([ \t\r\n]+-)?\}\}/y;
  close.lastIndex = end + 2;
  const closed = close.exec(source);
  if (closed === null) throw new SyntaxProblem('comment ends before closing delimiter', at);
  return { end: close.lastIndex, eatsSpace: closed[1] !== undefined };
}

function nextToken(source: string, at: number): Token {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) return { kind, text: match[0], at };
  }
  const character = source[at];
  if (character === undefined) throw new SyntaxProblem('unclosed action', at);
  if (character === '"') throw new SyntaxProblem('unterminated quoted string', at);
  if (character === '`') throw new SyntaxProblem('unterminated raw quoted string', at);
  if (character === "'") throw new SyntaxProblem('unterminated character constant', at);
  const code = (source.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw new SyntaxProblem(`unrecognized character in action: U+${code} '${character}'`, at);
}
