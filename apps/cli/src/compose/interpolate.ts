/** A text with its variables filled in, or one sentence about what is wrong with it. */
export type Interpolated =
  | {
      readonly kind: 'text';
      readonly text: string;
      /** Variables that are not set, and for which nothing else stands. */
      readonly missing: readonly string[];
    }
  | { readonly kind: 'refused'; readonly message: string };

/** The value of a variable; undefined for one that is not set. */
export type Lookup = (name: string) => string | undefined;

const name = /^[A-Za-z_][A-Za-z0-9_]*/;
const operator = /^:?[-+?]/;

class Refusal extends Error {}

/** What a text needs that is not there. */
interface Lack {
  readonly missing: Set<string>;
  /** Of variables that must be set: one sentence each. */
  readonly refusals: string[];
}

function nothing(): Lack {
  return { missing: new Set(), refusals: [] };
}

/**
 * Fills in `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:+instead}`, `${NAME+instead}`, `${NAME:?message}` and
 * `${NAME?message}`; `$$` is a dollar sign. What stands for a variable may have variables itself. With a colon, an empty
 * value is as none. Source: the Compose Specification, 12-interpolation.
 */
export function interpolate(text: string, lookup: Lookup): Interpolated {
  const lack = nothing();
  try {
    const { filled, rest } = fill(text, lookup, lack, false);
    const [message] = lack.refusals;
    if (message !== undefined) return { kind: 'refused', message };
    return { kind: 'text', text: filled + rest, missing: [...lack.missing] };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', message: error.message };
    throw error;
  }
}

/** Up to the end, or to the brace that closes what is inside braces. */
function fill(
  text: string,
  lookup: Lookup,
  lack: Lack,
  isInside: boolean,
): { readonly filled: string; readonly rest: string } {
  let filled = '';
  let rest = text;
  while (rest !== '') {
    if (isInside && rest.startsWith('}')) return { filled, rest };
    if (!rest.startsWith('$')) {
      const [plain] = (isInside ? /^[^$}]+/ : /^[^$]+/).exec(rest) ?? [''];
      filled += plain;
      rest = rest.slice(plain.length);
      continue;
    }
    if (rest.startsWith('$$')) {
      filled += '$';
      rest = rest.slice(2);
      continue;
    }
    const braced = rest.startsWith('${');
    const [variable] = name.exec(rest.slice(braced ? 2 : 1)) ?? [];
    if (variable === undefined)
      throw new Refusal(`there is no variable in ${shown(rest)}: a dollar sign alone is $$`);
    rest = rest.slice((braced ? 2 : 1) + variable.length);
    if (!braced) {
      filled += setValue(variable, lookup, lack);
      continue;
    }
    const [how = ''] = operator.exec(rest) ?? [];
    // What is not needed is read over: it may name variables that are not set.
    const noticed = nothing();
    const inner = fill(rest.slice(how.length), lookup, noticed, true);
    if (!inner.rest.startsWith('}')) throw new Refusal(`a } is missing after \${${variable}`);
    if (how === '' && inner.filled !== '')
      throw new Refusal(`\${${variable}${inner.filled}} is no way to write a variable`);
    rest = inner.rest.slice(1);
    const value = lookup(variable);
    const isSet = value !== undefined && (value !== '' || !how.startsWith(':'));
    if (how.endsWith('+') ? isSet : !isSet) {
      if (!how.endsWith('?')) for (const one of noticed.missing) lack.missing.add(one);
      lack.refusals.push(...noticed.refusals);
    }
    if (how.endsWith('?') && !isSet)
      lack.refusals.push(
        `variable ${variable} must be set${inner.filled === '' ? '' : `: ${inner.filled}`}`,
      );
    if (how.endsWith('+')) filled += isSet ? inner.filled : '';
    else if (how.endsWith('-')) filled += isSet ? value : inner.filled;
    else filled += setValue(variable, lookup, lack);
  }
  if (isInside) throw new Refusal('a } is missing at the end');
  return { filled, rest };
}

function setValue(variable: string, lookup: Lookup, { missing }: Lack): string {
  const value = lookup(variable);
  if (value === undefined) missing.add(variable);
  return value ?? '';
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 20));
}
