import { expect, test } from 'vitest';
import { checkDocumentLabels, isVersioned, versionName } from './index.ts';

test.each([
  ['page', [], 'page.1'],
  ['page', ['page', 'page.1', 'page.9', 'page.10'], 'page.11'],
  ['page', ['page.x', 'page.01', 'page.1.7', 'pages.4', 'other.page.3'], 'page.1'],
  ['p'.repeat(64), [], `${'p'.repeat(62)}.1`],
  ['p'.repeat(64), [`${'p'.repeat(62)}.9`], `${'p'.repeat(61)}.10`],
  ['p'.repeat(64), [`${'p'.repeat(62)}.9`, `${'p'.repeat(61)}.10`], `${'p'.repeat(61)}.11`],
])('%.10s beside %j gives its content away as %s', (name, taken, given) => {
  expect(versionName(name, taken)).toBe(given);
});

test.each([
  [undefined, false, undefined],
  ['true', true, undefined],
  ['false', false, undefined],
  ['on', false, 'label shoal.versioned="on" is invalid: must be true or false'],
])('shoal.versioned=%s', (value, versioned, fault) => {
  const labels = value === undefined ? {} : { 'shoal.versioned': value };
  expect(isVersioned(labels)).toBe(versioned);
  expect(checkDocumentLabels(labels)).toBe(fault);
});
