import { expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

test.each([
  ['since=yesterday', 'since is a time such as 2026-11-23T14:00:00Z, not yesterday'],
  ['until=12:00', 'until is a time such as 2026-11-23T14:00:00Z, not 12:00'],
  ['limit=0', 'limit is a whole number from 1 to 10000, not 0'],
  ['limit=many', 'limit is a whole number from 1 to 10000, not many'],
  ['limit=10001', 'limit is a whole number from 1 to 10000, not 10001'],
])('a question for the audit that cannot be read: %s', async (query, message) => {
  const site = new FakeSite();
  await site.start();
  try {
    const init = { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } };
    await site.ask('POST', '/swarm/init', init);
    const answer = await site.ask('GET', `/shoal/v1/audit?${query}`);
    expect(answer).toMatchObject({ status: 400, json: { message } });
  } finally {
    await site.close();
  }
});
