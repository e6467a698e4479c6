import { expect, test } from 'vitest';
import { hasImage, imageKey } from './image-name.ts';

test.each([
  ['nginx', 'nginx:latest'],
  ['nginx:1.27', 'nginx:1.27'],
  ['docker.io/library/nginx:1.27', 'nginx:1.27'],
  ['ghcr.io:5000/a/b', 'ghcr.io:5000/a/b:latest'],
  ['nginx:1.27@sha256:abc', 'sha256:abc'],
])('%s is looked for as %s', (image, key) => {
  expect(imageKey(image)).toBe(key);
});

test('a node that says nothing of its images has none', () => {
  expect(hasImage({}, 'nginx')).toBe(false);
});
