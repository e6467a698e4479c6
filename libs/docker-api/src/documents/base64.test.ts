import { expect, test } from 'vitest';
import { decodeBase64 } from './base64.ts';

test.each([
  ['', ''],
  ['eA==', 'x'],
  ['eHk=', 'xy'],
  ['eHl6', 'xyz'],
  ['eH\r\nl6\n', 'xyz'],
  ['eA=\n=\n', 'x'],
  ['+/+/', '\xfb\xff\xbf'],
])('%j is %j', (text, content) => {
  const decoded = decodeBase64(text);
  expect(decoded.kind === 'ok' && decoded.bytes.toString('latin1')).toBe(content);
});

// What Go's encoding/base64 names in its error for the same text.
test.each([
  ['not base64!', 3],
  ['e', 0],
  ['eHl6eA', 4],
  ['eA=', 3],
  ['eA=x', 2],
  ['=', 0],
  ['e===', 1],
  ['eA==x', 4],
  ['eHk=x', 4],
  ['eHk==', 4],
  ['e-_A', 1],
  ['eHl6\u00e9', 4],
  ['eA\n', 1],
])('%j is corrupt at %i', (text, at) => {
  expect(decodeBase64(text)).toEqual({ kind: 'corrupt', at });
});
