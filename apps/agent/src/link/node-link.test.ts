import { noLinkMetrics } from '@shoal/link';
import { silentLogger, systemClock } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { FakeAuthority } from '../testing/fake-identity.ts';
import { NodeLink } from './node-link.ts';

test('a manager is whom the host was told of last', async () => {
  const authority = await FakeAuthority.start(systemClock.now());
  const told = (...ids: string[]) =>
    authority.worker(
      systemClock.now(),
      ids.map((nodeId) => ({ nodeId, logAddr: '10.0.0.1:2377', dispatcherAddr: '' })),
    );
  const parts = { clock: systemClock, logger: silentLogger, metrics: noLinkMetrics };
  const link = new NodeLink(await told('m1', 'm2'), parts);
  expect(['m1', 'm2', 'm3'].filter((id) => link.isManager(id))).toEqual(['m1', 'm2']);
  link.renew(await told('m1', 'm3'));
  expect(['m1', 'm2', 'm3'].filter((id) => link.isManager(id))).toEqual(['m1', 'm3']);
  link.close();
});
