import { printf } from './printf.ts';
import { describe, isTrue, nil, print, typeName, type Value } from './value.ts';

/** What a function could not do; the message has Go's words. */
export class CallProblem extends Error {
  override readonly name = 'CallProblem';
}

type Callable = {
  readonly argumentsMin: number;
  /** Absent: any number. */
  readonly argumentsMax?: number;
  readonly call: (...values: readonly Value[]) => Value;
};

function text(value: Value): string {
  if (typeof value !== 'string')
    throw new CallProblem(`wrong type for value; expected string; got ${typeName(value)}`);
  return value;
}

const comparison = (holds: (order: number) => boolean): Callable => ({
  argumentsMin: 2,
  argumentsMax: 2,
  call: (left = nil, right = nil) => holds(compare(left, right)),
});

const formatter = (call: (...values: readonly Value[]) => string): Callable => ({
  argumentsMin: 0,
  call,
});

/** Swarm's `join`, and those that Go's text/template has of itself. `and` and `or` are the evaluator's. */
const functions: ReadonlyMap<string, Callable> = new Map<string, Callable>([
  [
    'join',
    {
      argumentsMin: 1,
      call: (separator = '', ...parts) => parts.map(text).join(text(separator)),
    },
  ],
  ['print', formatter((...values) => print(values))],
  ['println', formatter((...values) => `${values.map(describe).join(' ')}\n`)],
  ['printf', { argumentsMin: 1, call: (format = '', ...rest) => printf(text(format), rest) }],
  ['html', formatter((...values) => replaceAll(print(values), htmlEscapes))],
  ['js', formatter((...values) => replaceAll(print(values), scriptEscapes))],
  ['urlquery', formatter((...values) => queryEscape(print(values)))],
  ['not', { argumentsMin: 1, argumentsMax: 1, call: (value = nil) => !isTrue(value) }],
  ['len', { argumentsMin: 1, argumentsMax: 1, call: (value = nil) => length(value) }],
  ['index', { argumentsMin: 1, call: (value = nil, ...keys) => keys.reduce(index, value) }],
  [
    'slice',
    { argumentsMin: 1, argumentsMax: 3, call: (value = nil, ...ends) => slice(value, ends) },
  ],
  [
    'eq',
    { argumentsMin: 2, call: (left = nil, ...others) => others.some((one) => equal(left, one)) },
  ],
  [
    'ne',
    { argumentsMin: 2, argumentsMax: 2, call: (left = nil, right = nil) => !equal(left, right) },
  ],
  ['lt', comparison((order) => order < 0)],
  ['le', comparison((order) => order <= 0)],
  ['gt', comparison((order) => order > 0)],
  ['ge', comparison((order) => order >= 0)],
]);

export const functionNames: ReadonlySet<string> = new Set([...functions.keys(), 'and', 'or']);

/**
 * Functions of one text that some templates have besides, such as `{{secret "password"}}`. Who looks
 * something up that is not there throws a {@link CallProblem}.
 */
export type Lookups = Readonly<Record<string, (name: string) => string>>;

function lookup(name: string, look: (name: string) => string): Callable {
  const call = (value: Value = nil): Value => {
    const wanted = text(value);
    try {
      return look(wanted);
    } catch (error) {
      if (!(error instanceof CallProblem)) throw error;
      throw new CallProblem(`error calling ${name}: ${error.message}`);
    }
  };
  return { argumentsMin: 1, argumentsMax: 1, call };
}

/** @throws CallProblem */
export function call(name: string, values: readonly Value[], lookups: Lookups): Value {
  const look = Object.hasOwn(lookups, name) ? lookups[name] : undefined;
  const callable = look === undefined ? functions.get(name) : lookup(name, look);
  if (callable === undefined) throw new CallProblem(`${JSON.stringify(name)} is not a function`);
  const { argumentsMin: min, argumentsMax: max = Number.POSITIVE_INFINITY } = callable;
  if (values.length < min || values.length > max) {
    const want =
      max === min ? `${min}` : values.length < min ? `at least ${min}` : `at most ${max}`;
    throw new CallProblem(`wrong number of args for ${name}: want ${want} got ${values.length}`);
  }
  return callable.call(...values);
}

function length(value: Value): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'object' && value.kind === 'map') return value.entries.size;
  throw new CallProblem(`error calling len: len of type ${typeName(value)}`);
}

function index(value: Value, key: Value): Value {
  if (typeof value === 'object' && value.kind === 'map') {
    if (typeof key !== 'string')
      throw new CallProblem(
        `error calling index: value has type ${typeName(key)}; should be string`,
      );
    return value.entries.get(key) ?? '';
  }
  if (typeof value === 'string') {
    if (typeof key !== 'number')
      throw new CallProblem(
        `error calling index: cannot index slice/array with type ${typeName(key)}`,
      );
    const byte = Buffer.from(value)[key];
    if (byte === undefined)
      throw new CallProblem(`error calling index: index out of range: ${key}`);
    return byte;
  }
  throw new CallProblem(`error calling index: can't index item of type ${typeName(value)}`);
}

function slice(value: Value, ends: readonly Value[]): string {
  if (typeof value !== 'string')
    throw new CallProblem(`error calling slice: can't slice item of type ${typeName(value)}`);
  const bytes = Buffer.from(value);
  const places = ends.map((end) => {
    if (typeof end !== 'number')
      throw new CallProblem(
        `error calling slice: cannot index slice/array with type ${typeName(end)}`,
      );
    if (end < 0 || end > bytes.length)
      throw new CallProblem(`error calling slice: index out of range: ${end}`);
    return end;
  });
  const [from = 0, to = bytes.length] = places;
  if (from > to) throw new CallProblem(`error calling slice: invalid slice index: ${from} > ${to}`);
  return bytes.subarray(from, to).toString();
}

const basic = ['string', 'number', 'boolean'];

function equal(left: Value, right: Value): boolean {
  if (left === nil || right === nil) return left === right;
  for (const value of [left, right])
    if (!basic.includes(typeof value))
      throw new CallProblem('error calling eq: non-comparable type');
  if (typeof left !== typeof right)
    throw new CallProblem('error calling eq: incompatible types for comparison');
  return left === right;
}

function compare(left: Value, right: Value): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string')
    return Buffer.compare(Buffer.from(left), Buffer.from(right));
  const bothBasic = basic.includes(typeof left) && basic.includes(typeof right);
  const problem = bothBasic && typeof left !== typeof right ? 'incompatible types' : 'invalid type';
  throw new CallProblem(`error calling lt: ${problem} for comparison`);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '\0': '\ufffd',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
};
const scriptEscapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

function replaceAll(value: string, escapes: Readonly<Record<string, string>>): string {
  return [...value].map((character) => escapes[character] ?? character).join('');
}

function queryEscape(value: string): string {
  const escaped = encodeURIComponent(value).replace(/%20/g, '+');
  return escaped.replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
