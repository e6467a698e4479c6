import { expect, test } from 'vitest';
import { redacted } from './redaction.ts';

test.each([
  ['SWMKEY-1-aBc+/d90', '[removed]'],
  ['a SWMTKN-1-0a1b-2c3d.', 'a [removed].'],
  ['-----BEGIN EC PRIVATE KEY-----\nabc', '[removed]'],
  ['http://user:pass@proxy:3128/', 'http://[removed]@proxy:3128/'],
  ['https://host/a:b@c', 'https://host/a:b@c'],
  ['-----BEGIN CERTIFICATE-----\nabc', '-----BEGIN CERTIFICATE-----\nabc'],
])('%j is told as %j', (text, told) => {
  expect(redacted(text)).toBe(told);
});
