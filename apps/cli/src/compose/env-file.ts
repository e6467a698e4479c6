import { interpolate, type Lookup } from './interpolate.ts';

export type EnvFile =
  | { readonly kind: 'variables'; readonly variables: ReadonlyMap<string, string> }
  | { readonly kind: 'refused'; readonly message: string };

const line =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*(?:=[ \t]*(?:'((?:[^'\\]|\\[\s\S])*)'|"((?:[^"\\]|\\[\s\S])*)"|([^\r\n]*)))?[ \t]*(?:#[^\n]*)?$/gm;
/** As compose-go has them; what is none of these stays as it is written. */
const escapeForm = /\\(?:([abfnrtv$"\\])|0([0-3][0-7]{2}))/g;
const escapes: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  // A dollar sign that names no variable.
  $: '$$',
};

/**
 * Reads `KEY=value` lines: single quotes keep everything as it is, without them variables are filled in, from lines before
 * and then from `lookup`; a key alone takes its value from there. Source: Docker Compose, “.env file syntax”.
 */
export function readEnvFile(text: string, lookup: Lookup): EnvFile {
  const variables = new Map<string, string>();
  const known: Lookup = (name) => variables.get(name) ?? lookup(name);
  let rest = text.replace(/^\ufeff/, '');
  rest = rest.replaceAll(/^[ \t]*#.*$/gm, '');
  const leftOver = rest.replaceAll(line, '').trim();
  if (leftOver !== '') {
    const [first = ''] = leftOver.split('\n', 1);
    // Not the line itself: it may hold a secret.
    const at = text.slice(0, text.indexOf(first)).split('\n').length;
    return { kind: 'refused', message: `line ${at} is not KEY=value` };
  }
  for (const [, key = '', single, double, plain] of rest.matchAll(line)) {
    if (single === undefined && double === undefined && plain === undefined) {
      const given = lookup(key);
      if (given !== undefined) variables.set(key, given);
      continue;
    }
    if (single !== undefined) {
      variables.set(key, single.replaceAll("\\'", "'"));
      continue;
    }
    const written =
      double === undefined ? (plain ?? '').replace(/(?:^|[ \t]+)#.*$/, '').trim() : double;
    const filled = interpolate(double === undefined ? written : unescaped(written), known);
    if (filled.kind === 'refused') return { kind: 'refused', message: `${key}: ${filled.message}` };
    variables.set(key, filled.text);
  }
  return { kind: 'variables', variables };
}

function unescaped(text: string): string {
  return text.replaceAll(escapeForm, (_, letter?: string, octal?: string) =>
    letter === undefined
      ? String.fromCharCode(Number.parseInt(octal ?? '', 8))
      : (escapes[letter] ?? letter),
  );
}
