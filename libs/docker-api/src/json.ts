import type { z } from 'zod';
import { ApiError } from './errors.ts';
import { decoderOf, mismatch } from './go-decode.ts';
import { withGoKeys } from './go-keys.ts';

/** Refuses a body whose type is not JSON; absent is taken as JSON only when there is no body. */
export function isJsonContentType(header: string): boolean {
  return header.split(';')[0]?.trim().toLowerCase() === 'application/json';
}

/** Parses a body; what is wrong is said close to Go's words. An empty body is `{}`. */
export function parseJson(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, `invalid JSON: ${syntaxError(text)}`);
  }
}

/**
 * Finds where the text stops being JSON, as Go's decoder reports it: the first character that
 * cannot stand where it is, and what it was looked at for.
 */
function syntaxError(text: string): string {
  const expectations = scan(text);
  if (expectations === undefined) return 'invalid character after top-level value';
  const { at, context } = expectations;
  const character = text[at];
  if (character === undefined) return 'unexpected EOF';
  const shown =
    character === "'" ? "'\\''" : character === '"' ? `'"'` : `'${printable(character)}'`;
  return `invalid character ${shown} ${context}`;
}

function printable(character: string): string {
  const escaped = JSON.stringify(character).slice(1, -1);
  return escaped.startsWith('\\u') ? `\\x${escaped.slice(-2)}` : escaped;
}

interface Failure {
  readonly at: number;
  readonly context: string;
}

const literalForm = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;
const stringForm = /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
/** Deeper nesting is refused, as by Go's decoder. */
const depthMax = 10_000;

function scan(text: string): Failure | undefined {
  let at = 0;
  const skip = (): void => {
    while (' \t\r\n'.includes(text[at] ?? 'x')) at += 1;
  };
  const take = (form: RegExp): boolean => {
    form.lastIndex = at;
    const match = form.exec(text);
    if (match !== null) at += match[0].length;
    return match !== null;
  };
  const closers: ('}' | ']')[] = [];
  let want: 'value' | 'first-key' | 'key' | 'first-value' | 'after' = 'value';
  for (;;) {
    skip();
    const character = text[at];
    if (want === 'after') {
      const closer = closers.at(-1);
      if (closer === undefined)
        return character === undefined ? undefined : { at, context: 'after top-level value' };
      if (character === closer) {
        closers.pop();
        at += 1;
      } else if (character === ',') {
        at += 1;
        want = closer === '}' ? 'key' : 'value';
      } else
        return {
          at,
          context: closer === '}' ? 'after object key:value pair' : 'after array element',
        };
      continue;
    }
    if (
      (want === 'first-key' && character === '}') ||
      (want === 'first-value' && character === ']')
    ) {
      closers.pop();
      at += 1;
      want = 'after';
      continue;
    }
    if (want === 'first-key' || want === 'key') {
      if (character !== '"') return { at, context: 'looking for beginning of object key string' };
      if (!take(stringForm)) return { at: text.length, context: 'in string literal' };
      skip();
      if (text[at] !== ':') return { at, context: 'after object key' };
      at += 1;
      want = 'value';
      continue;
    }
    if (character === '{' || character === '[') {
      if (closers.length >= depthMax) return { at, context: 'exceeded max depth' };
      closers.push(character === '{' ? '}' : ']');
      at += 1;
      want = character === '{' ? 'first-key' : 'first-value';
      continue;
    }
    if (character === '"') {
      if (!take(stringForm)) return { at: text.length, context: 'in string literal' };
    } else if (!take(literalForm)) return { at, context: 'looking for beginning of value' };
    want = 'after';
  }
}

/**
 * Checks a parsed body against its schema; a mismatch is told as Go's decoder tells it. As there, null is a body
 * without any member.
 */
export function decode<S extends z.ZodType>(schema: S, type: string, body: unknown): z.output<S> {
  const members = body ?? {};
  const decoded = decoderOf(schema)(members);
  if (decoded !== mismatch) return decoded as z.output<S>;
  // Only the schema says what is wrong.
  const value = withGoKeys(schema, members);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = issue?.path.map(String) ?? [];
  let found: unknown = value;
  for (const key of path)
    found = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined;
  const field = path.length === 0 ? 'value' : `struct field ${[type, ...path].join('.')}`;
  throw new ApiError(
    400,
    `invalid JSON: json: cannot unmarshal ${jsonKind(found, issue)} into Go ${field} of type ${goType(issue, type)}`,
  );
}

/** Go names a number where another number would do. */
function jsonKind(value: unknown, issue: z.core.$ZodIssue | undefined): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value !== 'number') return typeof value;
  const isAsked =
    issue?.code === 'too_small' || (issue?.code === 'invalid_type' && isNumeric(issue));
  return isAsked ? `number ${value}` : 'number';
}

function isNumeric({ expected }: z.core.$ZodIssueInvalidType): boolean {
  return expected === 'number' || expected === 'int';
}

function goType(issue: z.core.$ZodIssue | undefined, type: string): string {
  if (issue === undefined) return type;
  if (issue.code === 'too_small') return 'uint64';
  if (issue.code !== 'invalid_type') return type;
  switch (issue.expected) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'number':
    case 'int':
      return 'int64';
    case 'array':
      return 'slice';
    case 'record':
      return 'map[string]string';
    default:
      return issue.path.length === 0 ? type : 'struct';
  }
}
