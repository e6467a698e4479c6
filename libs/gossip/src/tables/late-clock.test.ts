import type { Monotonic } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { EndpointTables } from './endpoint-tables.ts';

const at = (ms: number): Monotonic => ms as Monotonic;
const hourMs = 3_600_000;

test('a host that booted with the clock of 1970 takes part once its clock is set', () => {
  const now = Date.UTC(2026, 10, 23);
  // Its agent began before NTP; the process goes on.
  const late = new EndpointTables({ self: 'late', firstTime: 5_000, timeOfDay: () => now });
  const other = new EndpointTables({ self: 'other', firstTime: now });
  for (const tables of [late, other]) {
    tables.appeared('late');
    tables.appeared('other');
    tables.join('n', at(0));
  }
  other.put('n', 'web', Buffer.from('1'), at(0));
  const records = other.recordsOf('n', ['other'], at(hourMs));
  late.receive({ network: 'n', records }, at(hourMs));
  expect(late.shown('n').map(({ id }) => id)).toEqual(['web']);
});
