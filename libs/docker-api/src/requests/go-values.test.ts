import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decode } from '../json.ts';
import { filledInteger, integer, integerPointer } from './go-values.ts';

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
