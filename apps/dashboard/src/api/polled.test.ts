import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type FakeAnswer, FakeBrowser } from '../testing/fake-browser.ts';
import { ChangeWatch } from './changes.ts';
import { type Answer, Api } from './client.ts';
import { Polled } from './polled.ts';

const schema = z.object({ count: z.number() });

let browser: FakeBrowser;
let watch: ChangeWatch;
let changed: (logIndex: number) => void;
let heard: Answer<{ count: number }>[];

/** Questions of the part, apart from those for changes. */
const questions = (): number => browser.asked.filter(({ path }) => path === '/api/count').length;

beforeEach(() => {
  browser = new FakeBrowser();
  heard = [];
  let count = 0;
  const waits: ((answer: FakeAnswer) => void)[] = [];
  changed = (logIndex) => waits.shift()?.({ body: { logIndex } });
  browser.answer = (path) => {
    if (path === '/api/shoal/v1/changes') return { body: { logIndex: 1 } };
    if (path.startsWith('/api/shoal/v1/changes')) return new Promise((done) => waits.push(done));
    count += 1;
    return { body: { count } };
  };
  watch = new ChangeWatch(new Api(browser), browser);
});

function poll(everyMs?: number): Polled<typeof schema> {
  const parts = { api: new Api(browser), watch, timers: browser };
  return new Polled(parts, { path: '/count', schema, everyMs }, (answer) => heard.push(answer));
}

describe('what somebody looks at', () => {
  test('is asked for at once, and again after each change', async () => {
    void watch.run();
    await browser.pass(1_000);
    const polled = poll();
    await browser.pass(1_000);
    expect(heard).toEqual([{ kind: 'value', value: { count: 1 }, stale: false }]);
    changed(2);
    await browser.pass(1);
    expect(heard.at(-1)).toMatchObject({ value: { count: 2 } });
    polled.stop();
    changed(3);
    await browser.pass(60_000);
    expect(questions()).toBe(2);
  });

  test('rests between two questions, however much changes', async () => {
    void watch.run();
    await browser.pass(1_000);
    poll(10_000);
    for (let logIndex = 2; logIndex < 42; logIndex += 1) {
      await browser.pass(1_000);
      changed(logIndex);
    }
    // At once, and then four times in forty seconds.
    expect(questions()).toBe(5);
  });

  test('rests longer the longer the manager takes', async () => {
    let answer: ((said: FakeAnswer) => void) | undefined;
    browser.answer = () =>
      new Promise((done) => {
        answer = done;
      });
    poll();
    await browser.pass(5_000);
    answer?.({ body: { count: 1 } });
    await browser.pass(39_000);
    expect(questions()).toBe(1);
    await browser.pass(1_000);
    expect(questions()).toBe(2);
  });

  test('is asked for again without a change after a while', async () => {
    poll();
    await browser.pass(29_000);
    expect(questions()).toBe(1);
    await browser.pass(1_000);
    expect(questions()).toBe(2);
  });

  test('nobody hears of it who has looked away meanwhile', async () => {
    let answer: ((said: FakeAnswer) => void) | undefined;
    browser.answer = () =>
      new Promise((done) => {
        answer = done;
      });
    const polled = poll();
    polled.stop();
    answer?.({ body: { count: 1 } });
    await browser.pass(60_000);
    expect(heard).toEqual([]);
    expect(questions()).toBe(1);
  });
});

describe('the manager', () => {
  test('goes away and comes back: then everything is asked for anew', async () => {
    const told: string[] = [];
    let changes = 0;
    watch.onLink((link) => told.push(link));
    watch.onChange(() => {
      changes += 1;
    });
    browser.answer = () => undefined;
    void watch.run();
    await browser.pass(10_000);
    expect(told).toEqual(['away']);
    // One question each two seconds.
    expect(browser.asked.length).toBeLessThanOrEqual(6);
    browser.answer = (path) =>
      path.includes('after') ? new Promise(() => undefined) : { body: { logIndex: 7 } };
    await browser.pass(3_000);
    expect(told).toEqual(['away', 'live']);
    expect(changes).toBe(1);
    expect(browser.asked.at(-1)?.path).toBe('/api/shoal/v1/changes?after=7');
  });

  test('has closed the session: nothing is asked any more', async () => {
    browser.answer = () => ({ status: 401 });
    await watch.run();
    await browser.pass(60_000);
    expect(watch.link).toBe('closed');
    expect(browser.asked).toHaveLength(1);
  });

  test('is none, as it says: it is asked again, and the parts say so themselves', async () => {
    let changes = 0;
    watch.onChange(() => {
      changes += 1;
    });
    browser.answer = () => ({
      status: 503,
      body: { message: 'This node is not a swarm manager.' },
    });
    void watch.run();
    await browser.pass(10_000);
    expect(watch.link).toBe('live');
    expect(changes).toBeGreaterThan(3);
    expect(changes).toBeLessThan(7);
  });
});
