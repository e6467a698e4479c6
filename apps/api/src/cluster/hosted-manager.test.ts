import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type TestHost, TestHosts } from '../testing/hosts.ts';
import { HostedManager } from './hosted-manager.ts';

const site = new TestHosts();
let host: TestHost;
beforeAll(async () => {
  const [first] = await site.start(1);
  if (first === undefined) throw new Error('no host');
  host = first;
  await host.init();
});
afterAll(() => site.close());

test('however many ask at once who leads, all hear it', async () => {
  const asked = Array.from({ length: 300 }, () => host.manager.quorum());
  const leaders = (await Promise.all(asked)).map(({ leader }) => leader);
  expect(new Set(leaders)).toEqual(new Set([host.manager.identity.nodeId]));
});

test('a renewed certificate reaches the voter, however many ask at that moment', async () => {
  const { voter } = host.membership;
  if (voter === undefined) throw new Error('no voter');
  const asking = Array.from({ length: 64 }, () => voter.status());
  const { clusterId, caCertificate: trustRoots, certificate, key } = host.manager.identity;
  const outcome = await voter.renew({ clusterId, trustRoots, certificate, key });
  await Promise.all(asking);
  expect(outcome).toEqual({ kind: 'done' });
});

test('what the voter does not take it is told again', async () => {
  const { voter } = host.membership;
  if (voter === undefined) throw new Error('no voter');
  const renew = vi
    .spyOn(voter, 'renew')
    .mockResolvedValueOnce({ kind: 'failed', code: 'no-leader', message: 'it is busy' });
  const { manager } = host;
  if (!(manager instanceof HostedManager)) throw new Error('not hosted here');
  const { identity } = manager;
  manager.renew({ ...identity, certificate: `${identity.certificate}\n` });
  await vi.waitFor(() => expect(renew).toHaveBeenCalledTimes(2), { timeout: 5_000 });
  expect(await renew.mock.results[1]?.value).toEqual({ kind: 'done' });
  manager.renew(identity);
  await vi.waitFor(() => expect(renew).toHaveBeenCalledTimes(3));
});
