import { expect, test } from 'vitest';
import { Placeholders } from './placeholders.ts';

test('ids keep their number, long or short', () => {
  const placeholders = new Placeholders();
  expect(placeholders.text('x8q1bmgbo4qav2k6n0c3d5e7f\n')).toBe('<id 1>\n');
  const table = 'ID             NAME\nx8q1bmgbo4qa   web\nav2k6n0c3d5e   db\n';
  expect(placeholders.text(table)).toBe('ID  NAME\n<id 1>  web\n<id 2>  db\n');
  expect(placeholders.text('service av2k6n0c3d5e is gone')).toBe('service <id 2> is gone');
});

test('words of twelve letters stay', () => {
  expect(new Placeholders().text('Availability:\tActive')).toBe('Availability:  Active');
});

test.each([
  ['Running 3 seconds ago', 'Running <ago>'],
  ['Running about a minute ago', 'Running <ago>'],
  ['Up About a minute', 'Up <while>'],
  ['2026-11-21T02:51:37.443644663Z', '<time>'],
  ['Created at: 2026-11-21 02:51:37.443644663 +0000 utc', 'Created at: <time>'],
  ['busybox:latest@sha256:'.concat('0a'.repeat(32)), 'busybox:latest@<digest>'],
  ['10.0.1.4/24 and 10.55.0.0/24', '<address>/24 and 10.55.0.0/24'],
  [' Memory:\t\t23.54GiB', ' Memory:  <size>'],
  [' Memory:\t\t64MiB', ' Memory:  64MiB'],
])('%s', (raw, placed) => {
  expect(new Placeholders().text(raw)).toBe(placed);
});
