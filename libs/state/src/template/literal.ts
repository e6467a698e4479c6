import { SyntaxProblem } from './lexer.ts';

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** What a Go string or character constant stands for. @throws SyntaxProblem */
export function unquote(text: string, at: number): string {
  const inner = text.slice(1, -1);
  if (text.startsWith('`')) return inner;
  return inner.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs,
    (_whole, sequence: string) => {
      const simple = escapes[sequence];
      if (simple !== undefined) return simple;
      if (/^[xuU][0-9a-fA-F]+$/.test(sequence))
        return character(Number.parseInt(sequence.slice(1), 16));
      if (/^[0-7]{3}$/.test(sequence)) return character(Number.parseInt(sequence, 8));
      throw new SyntaxProblem('invalid syntax', at);
    },
  );

  function character(code: number): string {
    if (code > 0x10ffff) throw new SyntaxProblem('invalid syntax', at);
    return String.fromCodePoint(code);
  }
}
