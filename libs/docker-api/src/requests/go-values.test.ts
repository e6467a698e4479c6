import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decode } from '../json.ts';
import { filledInteger, integer, integerPointer, unsigned, unsignedPointer } from './go-values.ts';

const schema = z.object({ Plain: integer, Filled: filledInteger, Pointer: integerPointer });
const goMin = -(2n ** 63n);
const goMax = 2n ** 63n - 1n;

function refusal(text: string): unknown {
  try {
    return decode(schema, 'Spec', { Plain: JSON.parse(text) });
  } catch (error) {
    return error;
  }
}

describe("an integer of Go's 64 bits", () => {
  test.each([
    ['a year, nanoseconds', '31536000000000000'],
    ['beyond what a double tells apart', '9007199254740993'],
    ['the largest', String(goMax)],
    ['the smallest', String(goMin)],
    ['zero', '0'],
  ])('%s goes out as one', (_what, text) => {
    const number: unknown = JSON.parse(text);
    const decoded = decode(schema, 'Spec', { Plain: number, Filled: number, Pointer: number });
    expect(decoded.Plain).toBe(text === '0' ? undefined : decoded.Filled);
    expect(decoded.Pointer).toBe(decoded.Filled);
    const shown = JSON.stringify(decoded.Filled);
    expect(shown).toMatch(/^-?\d+$/);
    expect(BigInt(shown)).toBeGreaterThanOrEqual(goMin);
    expect(BigInt(shown)).toBeLessThanOrEqual(goMax);
    expect(decoded.Filled).toBeCloseTo(Number(text), -4);
  });

  test.each(['1.5', '1e19', '-1e19', '1e999'])('%s is none', (text) => {
    expect(refusal(text)).toMatchObject({
      status: 400,
      message: `invalid JSON: json: cannot unmarshal number ${Number(text)} into Go struct field Spec.Plain of type int64`,
    });
  });
});

describe('one without a sign', () => {
  const counters = z.object({ Plain: unsigned, Pointer: unsignedPointer });

  test.each([
    ['a time in nanoseconds', '1763846000123456789'],
    ['the largest', String(2n ** 64n - 1n)],
    ['a small one', '7'],
  ])('%s goes out as one', (_what, text) => {
    const number: unknown = JSON.parse(text);
    const decoded = decode(counters, 'Spec', { Plain: number, Pointer: number });
    const shown = JSON.stringify(decoded.Plain);
    expect(shown).toMatch(/^\d+$/);
    expect(BigInt(shown)).toBeLessThan(2n ** 64n);
    expect(decoded).toEqual({ Plain: decoded.Plain, Pointer: decoded.Plain });
    expect(Number(shown) / Number(text)).toBeCloseTo(1);
  });

  test.each([
    ['-1', 'uint64'],
    ['1.5', 'int64'],
    ['1e20', 'int64'],
  ])('%s is none', (text, type) => {
    const number: unknown = JSON.parse(text);
    expect(() => decode(counters, 'Spec', { Plain: number })).toThrow(
      `json: cannot unmarshal number ${number} into Go struct field Spec.Plain of type ${type}`,
    );
  });
});
