import { z } from 'zod';

/**
 * The value with its members under the names that the schema has for them. Go's decoder takes a member
 * by its name in any case, and clients rely on it: docker-py writes `{"replicated": {…}}`. Keys of maps
 * stay as they are. Of members that differ in case alone the last one counts.
 */
export function withGoKeys(schema: z.core.$ZodType, value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable)
    return withGoKeys(schema.unwrap(), value);
  if (schema instanceof z.ZodDefault) return withGoKeys(schema.unwrap(), value);
  if (schema instanceof z.ZodPipe) return withGoKeys(schema.in, value);
  if (schema instanceof z.ZodArray)
    return Array.isArray(value) ? value.map((item) => withGoKeys(schema.element, item)) : value;
  if (schema instanceof z.ZodRecord)
    return Array.isArray(value) ? value : mapValues(schema.valueType, value);
  if (!(schema instanceof z.ZodObject) || Array.isArray(value)) return value;
  const names = namesOf(schema);
  const members = Object.entries(value).map(([key, member]) => {
    const name = names.get(key.toLowerCase()) ?? key;
    const type = schema.shape[name];
    return [name, type === undefined ? member : withGoKeys(type, member)];
  });
  return Object.fromEntries(members);
}

function mapValues(type: z.core.$ZodType, map: object): object {
  return Object.fromEntries(
    Object.entries(map).map(([key, member]) => [key, withGoKeys(type, member)]),
  );
}

const known = new WeakMap<z.ZodObject, ReadonlyMap<string, string>>();

/** The schema's names by what they are in small letters. */
export function namesOf(schema: z.ZodObject): ReadonlyMap<string, string> {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const names = new Map(Object.keys(schema.shape).map((name) => [name.toLowerCase(), name]));
  known.set(schema, names);
  return names;
}
