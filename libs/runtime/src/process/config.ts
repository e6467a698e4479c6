import { z } from 'zod';
import { parseHostPort } from '../host-port.ts';

/** What came of flags and environment. */
export type ConfigOutcome<T> =
  | { readonly kind: 'config'; readonly config: T }
  /** `--help` was asked for. */
  | { readonly kind: 'help'; readonly text: string }
  /** One sentence for a person: which flag, which value, what would do. */
  | { readonly kind: 'invalid'; readonly message: string };

export interface ConfigSources {
  /** Without interpreter and script. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of the environment's names, for example `SHOAL_`. */
  readonly prefix: string;
  /** First line of the help text. */
  readonly usage?: string;
}

type Kind = 'boolean' | 'number' | 'list' | 'text';
type Shape = z.ZodObject<Readonly<Record<string, z.ZodType>>>;

/** A config value of the form `host:port`, handed on as text. */
export const hostPort = z
  .string()
  .refine(
    (text) => parseHostPort(text) !== undefined,
    'must look like 127.0.0.1:2377 or [::1]:2377',
  );

/**
 * Reads every key of `schema` from `--key value`, `--key=value` or the environment (`dataDir` is
 * `--data-dir` and `SHOAL_DATA_DIR`); flags win. Booleans also stand alone (`--foreground`), lists are
 * repeated or separated by commas. Descriptions (`.describe()`) become the help text.
 */
export function parseConfig<S extends Shape>(
  schema: S,
  sources: ConfigSources,
): ConfigOutcome<z.output<S>> {
  const kinds = new Map(
    Object.entries(schema.shape).map(([key, type]) => [key, kindOf(type)] as const),
  );
  if (sources.argv.includes('--help')) return { kind: 'help', text: helpText(schema, sources) };
  const origin = new Map<string, string>();
  const raw: Record<string, unknown> = {};
  for (const [key, kind] of kinds) {
    const name = envName(sources.prefix, key);
    const text = sources.env[name];
    if (text === undefined) continue;
    origin.set(key, name);
    raw[key] = readText(kind, [text]);
  }
  const flags = readFlags(sources.argv, kinds);
  if (flags.kind === 'invalid') return flags;
  for (const [key, texts] of flags.values) {
    origin.set(key, flagName(key));
    raw[key] = readText(kinds.get(key) ?? 'text', texts);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return { kind: 'config', config: parsed.data };
  const issue = parsed.error.issues[0];
  const key = String(issue?.path[0] ?? '');
  return { kind: 'invalid', message: complaint(key, origin.get(key), raw[key], issue?.message) };
}

type Flags =
  | { readonly kind: 'values'; readonly values: ReadonlyMap<string, readonly string[]> }
  | { readonly kind: 'invalid'; readonly message: string };

function readFlags(argv: readonly string[], kinds: ReadonlyMap<string, Kind>): Flags {
  const keys = new Map([...kinds.keys()].map((key) => [flagName(key), key]));
  const values = new Map<string, string[]>();
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    const equals = word.indexOf('=');
    const flag = equals < 0 ? word : word.slice(0, equals);
    const key = keys.get(flag);
    if (key === undefined) {
      return { kind: 'invalid', message: `unknown flag ${flag}; --help lists those there are` };
    }
    let text = equals < 0 ? undefined : word.slice(equals + 1);
    if (text === undefined && kinds.get(key) === 'boolean') text = 'true';
    if (text === undefined) {
      at += 1;
      text = argv[at];
      if (text === undefined || text.startsWith('--')) {
        return { kind: 'invalid', message: `${flag} needs a value, as in ${flag}=VALUE` };
      }
    }
    const list = values.get(key) ?? [];
    values.set(key, [...list, text]);
  }
  return { kind: 'values', values };
}

function readText(kind: Kind, texts: readonly string[]): unknown {
  const last = texts.at(-1) ?? '';
  switch (kind) {
    case 'boolean':
      return last === 'true' || last === '1'
        ? true
        : last === 'false' || last === '0'
          ? false
          : last;
    case 'number':
      return last.trim() === '' || Number.isNaN(Number(last)) ? last : Number(last);
    case 'list':
      return texts.flatMap((text) => text.split(',')).filter((text) => text !== '');
    case 'text':
      return last;
  }
}

function complaint(
  key: string,
  origin: string | undefined,
  value: unknown,
  message = 'is not valid',
): string {
  if (origin === undefined) return `${flagName(key)} is required: ${message}`;
  const shown = Array.isArray(value) ? value.join(',') : String(value);
  return `${origin}=${shown} does not do: ${message}`;
}

function kindOf(type: z.ZodType): Kind {
  if (type instanceof z.ZodBoolean) return 'boolean';
  if (type instanceof z.ZodNumber) return 'number';
  if (type instanceof z.ZodArray) return 'list';
  if (
    type instanceof z.ZodDefault ||
    type instanceof z.ZodOptional ||
    type instanceof z.ZodNullable ||
    type instanceof z.ZodPrefault ||
    type instanceof z.ZodReadonly
  ) {
    return kindOf(type.unwrap() as z.ZodType);
  }
  if (type instanceof z.ZodPipe) return kindOf(type.in as z.ZodType);
  return 'text';
}

/** `dataDir` is `--data-dir`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function envName(prefix: string, key: string): string {
  return `${prefix}${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function helpText(schema: Shape, sources: ConfigSources): string {
  const rows = Object.entries(schema.shape).map(([key, type]) => {
    const fallback = type.safeParse(undefined);
    const shown = fallback.success && fallback.data !== undefined ? String(fallback.data) : '';
    const about = [type.description ?? '', shown === '' ? '' : `(default ${shown})`];
    return [flagName(key), [...about, envName(sources.prefix, key)].filter(Boolean).join(' ')];
  });
  const width = Math.max(...rows.map(([flag]) => flag?.length ?? 0));
  const lines = rows.map(([flag = '', about = '']) => `  ${flag.padEnd(width)}  ${about}`);
  return [sources.usage ?? 'Flags, each also read from the environment:', ...lines, ''].join('\n');
}
