import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import { validateName } from './validate.ts';

const dnsRefusal = 'name must be valid as a DNS name component';
/** Far above what one pass takes, far below what takes time for each way to split a name. */
const deadlineMs = 1_000;

function refusalOf(name: string): string | undefined {
  try {
    validateName(name);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.message.replace(/^.* desc = /, '');
  }
}

/** Letters and digits, with `-` and `_` anywhere but at the ends. */
function isName(name: string): boolean {
  const isPlain = (character: string | undefined): boolean =>
    character !== undefined && /^[a-zA-Z0-9]$/.test(character);
  const characters = [...name];
  return (
    isPlain(characters[0]) &&
    isPlain(characters.at(-1)) &&
    characters.every((one) => isPlain(one) || one === '-' || one === '_')
  );
}

test('the names that are taken', () => {
  const near = fc.string({
    unit: fc.constantFrom('a', 'Z', '0', '-', '_', '.', '\n', 'é'),
    minLength: 1,
    maxLength: 63,
  });
  fc.assert(
    fc.property(near, (name) => {
      expect(refusalOf(name)).toBe(isName(name) ? undefined : dnsRefusal);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['a name with a dot', `${'a'.repeat(59)}.v2`],
  ['1 MB of letters and a dot', `${'a'.repeat(1_000_000)}.`],
  ['1 MB of dashes', `a${'-'.repeat(1_000_000)}`],
  ['1 MB of parts', `${'a-'.repeat(500_000)}.`],
])('%s is answered at once', (_what, name) => {
  const begun = performance.now();
  expect(refusalOf(name)).toBe(dnsRefusal);
  expect(performance.now() - begun).toBeLessThan(deadlineMs);
});
