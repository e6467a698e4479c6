import { systemClock, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { createClusterCa } from './authority.ts';
import { certificatesOf } from './chain.ts';

const begin = '-----BEGIN CERTIFICATE-----';

test('certificates are found in their order, with whatever stands between them', async () => {
  const pems = await Promise.all(
    [1, 2].map(async () => (await createClusterCa(systemClock.now(), systemRandom)).certificate),
  );
  const text = `Certificate:\n  Data\n${pems.join('between\n')}after`;
  expect(certificatesOf(text).map(String)).toEqual(pems);
  expect(certificatesOf('none')).toEqual([]);
});

test('a text of nothing but beginnings is looked through once, not once for each of them', () => {
  const timeOf = (bytes: number): number => {
    const text = begin.repeat(bytes / begin.length);
    const started = systemClock.monotonic();
    expect(certificatesOf(text)).toEqual([]);
    return systemClock.monotonic() - started;
  };
  // Looked through from each beginning, this takes ten seconds and more.
  expect(timeOf(1_000_000)).toBeLessThan(1_000);
});
