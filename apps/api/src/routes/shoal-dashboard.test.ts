import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
});
afterEach(() => site.close());

const service = (Name: string) => ({ Name, TaskTemplate: { ContainerSpec: { Image: 'busybox' } } });

async function newest(): Promise<number> {
  return ((await site.ask('GET', '/shoal/v1/changes')).json as { logIndex: number }).logIndex;
}

test('changes that have been are told at once', async () => {
  const before = await newest();
  await site.ask('POST', '/services/create', service('web'));
  const told = await site.ask('GET', `/shoal/v1/changes?after=${before}`);
  expect(told).toMatchObject({ status: 200, json: { logIndex: await newest() } });
  expect(await newest()).toBeGreaterThan(before);
});

test('a change is told as it happens, and not before', async () => {
  const before = await newest();
  let isTold = false;
  const told = site.ask('GET', `/shoal/v1/changes?after=${before}`).then(({ json }) => {
    isTold = true;
    return json;
  });
  // What reads does not change anything.
  for (const path of ['/services', '/nodes', '/tasks']) await site.ask('GET', path);
  await turn();
  expect(isTold).toBe(false);
  await site.ask('POST', '/services/create', service('web'));
  expect(await told).toEqual({ logIndex: await newest() });
});

test.each(['-1', 'all', '1.5', '1e3'])('after=%s is refused', async (after) => {
  expect(await site.ask('GET', `/shoal/v1/changes?after=${after}`)).toMatchObject({
    status: 400,
    json: { message: `after is a position in the log, a whole number, not ${after}` },
  });
});
