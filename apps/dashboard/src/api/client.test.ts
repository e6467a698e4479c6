import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { FakeBrowser } from '../testing/fake-browser.ts';
import { Api } from './client.ts';

let browser: FakeBrowser;
let api: Api;
const count = z.object({ count: z.number() });

beforeEach(() => {
  browser = new FakeBrowser();
  api = new Api(browser);
});

describe('an answer', () => {
  test.each([
    ['a value', { body: { count: 3 } }, { kind: 'value', value: { count: 3 }, stale: false }],
    [
      'one that may be old',
      { body: { count: 3 }, headers: { 'X-Shoal-Stale': 'true' } },
      { kind: 'value', value: { count: 3 }, stale: true },
    ],
    [
      'a refusal in Docker’s shape',
      { status: 503, body: { message: 'This node is not a swarm manager.' } },
      { kind: 'refused', status: 503, message: 'This node is not a swarm manager.' },
    ],
    [
      'a refusal of somebody in between',
      { status: 502, body: '<html>' },
      { kind: 'refused', status: 502, message: 'the api answered 502' },
    ],
    ['no session', { status: 401, body: { message: 'no' } }, { kind: 'closed' }],
    ['none', undefined, { kind: 'away' }],
  ])('%s', async (_what, said, expected) => {
    browser.answer = () => said;
    expect(await api.ask('/count', count)).toEqual(expected);
    expect(browser.asked[0]?.path).toBe('/api/count');
  });

  test('that is not as expected says where', async () => {
    browser.answer = () => ({ body: { count: 'three' } });
    const answer = await api.ask('/count', count);
    expect(answer).toMatchObject({ kind: 'refused', status: 200 });
    expect(answer.kind === 'refused' ? answer.message : '').toContain('at count');
  });
});

describe('a session', () => {
  test('begins with a key, is shown with every question, and ends', async () => {
    browser.answer = () => ({ body: { token: 'abc' } });
    expect(await api.open('key')).toBeUndefined();
    expect(browser.asked[0]).toMatchObject({
      path: '/session',
      init: { method: 'POST', body: '{"key":"key"}' },
    });
    await api.ask('/count', count);
    expect(browser.asked[1]?.init.headers).toEqual({ authorization: 'Bearer abc' });
    browser.answer = () => ({ status: 204 });
    await api.close();
    expect(browser.asked[2]?.init).toMatchObject({
      method: 'DELETE',
      headers: { authorization: 'Bearer abc' },
    });
    expect(browser.kept.size).toBe(0);
  });

  test.each([
    [{ status: 403, body: { message: 'too old' } }, 'too old'],
    [{ status: 500, body: 'oh' }, 'the dashboard answered 500'],
    [undefined, 'nobody answers: is the api of this host up?'],
  ])('is refused: %j', async (said, why) => {
    browser.answer = () => said;
    expect(await api.open('key')).toBe(why);
    expect(browser.kept.size).toBe(0);
  });
});

test.each([
  ['Mon, 23 Nov 2026 12:10:00 GMT', 600_000],
  ['Mon, 23 Nov 2026 11:00:00 GMT', -3_600_000],
  // Less than what a date in a header leaves out.
  ['Mon, 23 Nov 2026 12:00:01 GMT', 0],
  ['yesterday', 0],
])('time is the manager’s, which says %s', async (date, aheadMs) => {
  browser.answer = () => ({ body: { count: 1 }, headers: { date } });
  await api.ask('/count', count);
  expect(api.now() - browser.now()).toBe(aheadMs);
});
