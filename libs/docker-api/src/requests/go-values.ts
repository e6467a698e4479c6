import { z } from 'zod';

/**
 * JSON as Go's decoder takes it: null is the zero value everywhere, unknown members are dropped. The
 * `omitempty` of Go's structs is applied on the way in: a zero value becomes absent, so that a spec that
 * went out and comes back is the same.
 */

const zeroAbsent =
  <T>(isZero: (value: T) => boolean) =>
  (value: T | null | undefined) =>
    value === null || value === undefined || isZero(value) ? undefined : value;

export const text = z
  .string()
  .nullish()
  .transform(zeroAbsent((value) => value === ''));
export const flag = z
  .boolean()
  .nullish()
  .transform(zeroAbsent((value) => !value));

/** The doubles that print within Go's int64 and uint64; the next ones are already outside. */
const int64 = { min: -(2 ** 63) + 1024, max: 2 ** 63 - 1024 } as const;
const uint64Max = 2 ** 64 - 2048;

/**
 * Any integer of 64 bits: durations in nanoseconds are long before they are exact in a double. The two ends,
 * which no double is, become the nearest that a client can read.
 */
const signed = z
  .number()
  .check(({ value, issues }) => {
    if (!Number.isInteger(value) || Math.abs(value) > 2 ** 63)
      issues.push({ code: 'invalid_type', expected: 'int', input: value });
  })
  .transform((value) => Math.min(Math.max(value, int64.min), int64.max));

/** Any unsigned integer of 64 bits: counters that a client makes of the time in nanoseconds. */
const positive = z
  .number()
  .min(0)
  .check(({ value, issues }) => {
    if (!Number.isInteger(value) || value > 2 ** 64)
      issues.push({ code: 'invalid_type', expected: 'int', input: value });
  })
  .transform((value) => Math.min(value, uint64Max));

export const integer = signed.nullish().transform(zeroAbsent((value) => value === 0));
export const unsigned = positive.nullish().transform(zeroAbsent((value) => value === 0));

/** Members that are always there. */
export const filledFlag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
export const filledText = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
export const filledInteger = signed.nullish().transform((value) => value ?? 0);

/** Pointers: absent and zero differ. */
export const flagPointer = z
  .boolean()
  .nullish()
  .transform((value) => value ?? undefined);
export const integerPointer = signed.nullish().transform((value) => value ?? undefined);
export const unsignedPointer = positive.nullish().transform((value) => value ?? undefined);

export function list<T extends z.ZodType>(item: T) {
  return z
    .array(item)
    .nullish()
    .transform(zeroAbsent((value) => value.length === 0));
}

/** Null is a struct without any member. */
export function structs<T extends z.ZodObject>(struct: T) {
  return list(struct.nullable().transform((value): z.output<T> => value ?? struct.parse({})));
}

export const strings = list(
  z
    .string()
    .nullable()
    .transform((value) => value ?? ''),
);

/** Absent when empty. */
export const map = z
  .record(
    z.string(),
    z
      .string()
      .nullable()
      .transform((value) => value ?? ''),
  )
  .nullish()
  .transform(zeroAbsent((value) => Object.keys(value).length === 0));

/** A pointer to a struct: `{}` stays. */
export function pointer<T extends z.ZodType>(struct: T) {
  return struct.nullish().transform((value) => value ?? undefined);
}
