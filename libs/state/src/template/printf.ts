import { describe, nil, print, typeName, type Value } from './value.ts';

/** Widest padding and most digits of one verb; Go's limit is a million. */
const widthMax = 1_000;

interface Verb {
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
  readonly letter: string;
}

/** Go's fmt.Sprintf for the values that templates have, without argument indexes and `*`. */
export function printf(format: string, values: readonly Value[]): string {
  let used = 0;
  const written = format.replace(
    /%([-+# 0]*)(\d*)(?:\.(\d*))?(.|$)/gsu,
    (_whole, flags: string, width: string, precision: string | undefined, letter: string) => {
      if (letter === '%') return '%';
      if (letter === '') return '%!(NOVERB)';
      const value = values[used];
      used += 1;
      if (value === undefined) return `%!${letter}(MISSING)`;
      const amount = (text: string): number => Math.min(Number(text), widthMax);
      return formatted(value, {
        flags,
        width: width === '' ? undefined : amount(width),
        precision: precision === undefined ? undefined : amount(precision),
        letter,
      });
    },
  );
  if (used >= values.length) return written;
  const extra = values.slice(used).map((value) => typed(value));
  return `${written}%!(EXTRA ${extra.join(', ')})`;
}

function typed(value: Value): string {
  return value === nil ? '<nil>' : `${typeName(value)}=${describe(value)}`;
}

function formatted(value: Value, verb: Verb): string {
  const plain = bare(value, verb);
  if (plain === undefined) {
    const blamed = value === nil ? '<nil>' : typed(value);
    return `%!${verb.letter}(${blamed})`;
  }
  return padded(plain, verb, typeof value === 'number');
}

/** Without padding; undefined when the verb is not for such a value. */
function bare(value: Value, verb: Verb): string | undefined {
  if (verb.letter === 'v') return describe(value);
  if (verb.letter === 'T') return value === nil ? '<nil>' : typeName(value);
  if (typeof value === 'string') return bareString(value, verb);
  if (typeof value === 'number') return bareNumber(value, verb);
  if (typeof value === 'boolean') return verb.letter === 't' ? String(value) : undefined;
  if (value.kind !== 'nil' && verb.letter === 's') return print([value]);
  return undefined;
}

function bareString(value: string, { letter, precision }: Verb): string | undefined {
  const cut = precision === undefined ? value : [...value].slice(0, precision).join('');
  switch (letter) {
    case 's':
      return cut;
    case 'q':
      return JSON.stringify(cut);
    case 'x':
      return Buffer.from(cut).toString('hex');
    case 'X':
      return Buffer.from(cut).toString('hex').toUpperCase();
    default:
      return undefined;
  }
}

const radixes: Readonly<Record<string, number>> = { b: 2, o: 8, d: 10, x: 16, X: 16 };

function bareNumber(value: number, { letter, precision, flags }: Verb): string | undefined {
  const sign = value < 0 ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  const size = Math.abs(value);
  if (!Number.isInteger(value))
    return letter === 'f' ? `${sign}${size.toFixed(precision ?? 6)}` : undefined;
  if (letter === 'c') return String.fromCodePoint(size);
  const radix = radixes[letter];
  if (radix === undefined) return undefined;
  const digits = size.toString(radix).padStart(precision ?? 0, '0');
  return sign + (letter === 'X' ? digits.toUpperCase() : digits);
}

function padded(text: string, { flags, width = 0 }: Verb, isNumber: boolean): string {
  const missing = Math.max(0, width - [...text].length);
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0')) return ' '.repeat(missing) + text;
  const sign = isNumber && /^[-+ ]/.test(text) ? text.slice(0, 1) : '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}
