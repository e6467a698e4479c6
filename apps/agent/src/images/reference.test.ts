import { expect, test } from 'vitest';
import { parseReference, shortName, splitTag } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['web', 'web:latest', undefined],
  ['web:1', 'web:1', undefined],
  ['docker.io/library/web:1', 'web:1', undefined],
  ['docker.io/team/web', 'team/web:latest', undefined],
  ['10.0.0.1:5000/web', '10.0.0.1:5000/web:latest', undefined],
  ['10.0.0.1:5000/web:1', '10.0.0.1:5000/web:1', undefined],
  [`10.0.0.1:5000/web:1@${digest}`, '10.0.0.1:5000/web:1', digest],
  [`web@${digest}`, undefined, digest],
])('%s is taken apart', (image, tagged, told) => {
  expect(parseReference(image)).toEqual({ tagged, digest: told });
});

test('a tag is told from a port', () => {
  expect(splitTag('10.0.0.1:5000/web:1')).toEqual({ repo: '10.0.0.1:5000/web', tag: '1' });
});

test('people are spared the digest', () => {
  expect(shortName(`web:1@${digest}`)).toBe('web:1');
  expect(shortName(`web@${digest}`)).toBe(`web@${digest}`);
});
