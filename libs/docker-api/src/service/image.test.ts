import { expect, test } from 'vitest';
import { isImageReference } from './image.ts';

const hex = (digits: number): string => '0123456789abcdef'.repeat(8).slice(0, digits);
const path = (characters: number): string => 'a'.repeat(characters);

test.each([
  'busybox',
  'busybox:1.36',
  'library/busybox',
  'registry.example:5000/team/web:v2',
  '[fd00::1]:5000/web',
  'Registry/web',
  `busybox@sha256:${hex(64)}`,
  `busybox:1.36@sha256:${hex(64)}`,
  `busybox@sha384:${hex(96)}`,
  `busybox@sha512:${hex(128)}`,
  path(247),
  `docker.io/${path(247)}`,
  `team/${path(250)}:${path(128)}`,
  `registry.example/${path(255)}`,
])('%s', (text) => {
  expect(isImageReference(text)).toBe(true);
});

test.each([
  ['a digest that is cut off', `busybox@sha256:${hex(40)}`],
  ['a digest of one digit more', `busybox@sha256:${hex(65)}`],
  ['a digest in capitals', `busybox@sha256:${hex(64).toUpperCase()}`],
  ['a digest of another length than its algorithm has', `busybox@sha512:${hex(64)}`],
  ['an algorithm that nobody has', `busybox@foo:${hex(64)}`],
  ['an algorithm in capitals', `busybox@SHA256:${hex(64)}`],
  ['a long name, which Docker Hub has below library/', path(248)],
  ['the same, with the host', `docker.io/${path(248)}`],
  ['a long name of a team', `team/${path(251)}`],
  ['a long name in a registry', `registry.example/${path(256)}`],
  ['a long tag', `busybox:${path(129)}`],
  ['a name in capitals', 'BusyBox'],
  ['an id', hex(64)],
])('not %s', (_what, text) => {
  expect(isImageReference(text)).toBe(false);
});

/** Far above what one pass takes. */
const deadlineMs = 1_000;

test.each([
  ['parts', 'a.'.repeat(500_000)],
  ['components', 'a/'.repeat(500_000)],
  ['hosts', 'A.'.repeat(500_000)],
  ['separators', `a${'-'.repeat(1_000_000)}`],
  ['digits of a digest', `a@sha256:${'a'.repeat(1_000_000)}`],
])('1 MB of %s is answered at once', (_what, text) => {
  const begun = performance.now();
  for (const end of ['', 'a', '!']) expect(isImageReference(text + end)).toBe(false);
  expect(performance.now() - begun).toBeLessThan(deadlineMs);
});
