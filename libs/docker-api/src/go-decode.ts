import { z } from 'zod';
import { namesOf, withGoKeys } from './go-keys.ts';

/** What a decoder answers for a value that its schema refuses. */
export const mismatch: unique symbol = Symbol('mismatch');

/** Gives the schema's output, or {@link mismatch}. */
export type Decoder = (value: unknown) => unknown;

const made = new WeakMap<z.core.$ZodType, Decoder>();

/**
 * The schema as a function, made once: it gives what the schema makes of {@link withGoKeys} of a parsed body, in
 * a fraction of the time. It looks at the members that are there; a schema goes through all that might be.
 */
export function decoderOf(schema: z.core.$ZodType): Decoder {
  let decoder = made.get(schema);
  if (decoder === undefined) {
    decoder = ofKind(schema) ?? bySchema(schema);
    made.set(schema, decoder);
  }
  return decoder;
}

/** Undefined for kinds that only the schema itself knows. */
function ofKind(schema: z.core.$ZodType): Decoder | undefined {
  if ((schema._zod.def.checks ?? []).length > 0) return undefined;
  if (schema instanceof z.ZodOptional) return unless(undefined, schema.unwrap());
  if (schema instanceof z.ZodNullable) return unless(null, schema.unwrap());
  if (schema instanceof z.ZodPipe) return ofPipe(schema);
  if (schema instanceof z.ZodArray) return ofArray(schema);
  if (schema instanceof z.ZodRecord) return ofRecord(schema);
  if (schema instanceof z.ZodObject) return ofObject(schema);
  if (schema instanceof z.ZodString)
    return (value) => (typeof value === 'string' ? value : mismatch);
  if (schema instanceof z.ZodBoolean)
    return (value) => (typeof value === 'boolean' ? value : mismatch);
  return undefined;
}

function bySchema(schema: z.core.$ZodType): Decoder {
  return (value) => {
    const parsed = z.safeParse(schema, withGoKeys(schema, value));
    return parsed.success ? parsed.data : mismatch;
  };
}

function unless(empty: null | undefined, schema: z.core.$ZodType): Decoder {
  const inner = decoderOf(schema);
  return (value) => (value === empty ? empty : inner(value));
}

function ofPipe(schema: z.ZodPipe): Decoder | undefined {
  const { in: before, out } = schema;
  if (!(out instanceof z.ZodTransform)) return undefined;
  const inner = decoderOf(before);
  const { transform } = out._zod.def;
  return (value) => {
    const decoded = inner(value);
    if (decoded === mismatch) return mismatch;
    const payload = { value: decoded, issues: [] };
    const result = transform(decoded, payload);
    return payload.issues.length > 0 ? mismatch : result;
  };
}

function ofArray(schema: z.ZodArray): Decoder {
  const inner = decoderOf(schema.element);
  return (value) => {
    if (!Array.isArray(value)) return mismatch;
    const items: unknown[] = [];
    for (const item of value) {
      const decoded = inner(item);
      if (decoded === mismatch) return mismatch;
      items.push(decoded);
    }
    return items;
  };
}

function ofRecord(schema: z.ZodRecord): Decoder {
  const inner = decoderOf(schema.valueType);
  return (value) => {
    if (!isObject(value)) return mismatch;
    const record: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(value)) {
      const decoded = inner(member);
      // A name that would not become a member of its own is the schema's to judge.
      if (decoded === mismatch || key === '__proto__') return mismatch;
      record[key] = decoded;
    }
    return record;
  };
}

function ofObject(schema: z.ZodObject): Decoder | undefined {
  if (schema._zod.def.catchall !== undefined) return undefined;
  const names = namesOf(schema);
  const members = new Map(
    Object.entries(schema.shape).map(([name, type]) => [name, decoderOf(type)]),
  );
  /** Members that become something when they are absent, and those that must not be absent. */
  const absent = [...members].filter(([, decoder]) => decoder(undefined) !== undefined);
  return (value) => {
    if (!isObject(value)) return mismatch;
    const object: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const name = members.has(key) ? key : names.get(key.toLowerCase());
      const decoder = name === undefined ? undefined : members.get(name);
      if (name === undefined || decoder === undefined) continue;
      const decoded = decoder(value[key]);
      if (decoded === mismatch) return mismatch;
      object[name] = decoded;
    }
    for (const [name, decoder] of absent) {
      if (Object.hasOwn(object, name)) continue;
      const decoded = decoder(undefined);
      if (decoded === mismatch) return mismatch;
      object[name] = decoded;
    }
    return object;
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
