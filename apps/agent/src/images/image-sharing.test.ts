import { systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ImageFetcher } from './image-fetcher.ts';
import { archiveOf, classicImage } from './testing/fake-archive.ts';
import { SharingHosts } from './testing/sharing-hosts.ts';

const web = classicImage('web', 200_000);
const newer = classicImage('newer web');
const digest = `sha256:${'d'.repeat(64)}`;

let hosts: SharingHosts;
let said: string[];

beforeEach(() => {
  hosts = new SharingHosts([web, newer]);
  said = [];
});
afterEach(() => hosts.close());

function fetching(fetcher: ImageFetcher, reference: string, signal = new AbortController().signal) {
  const progress = (text: string) => said.push(text);
  return fetcher.fetch({ reference, isLast: true, signal, progress });
}

/** What the asker's engine calls its images. */
function names(): Record<string, readonly string[]> {
  const entries = [...hosts.asker.images].map(([id, { tags }]) => [id, [...tags]]);
  return Object.fromEntries(entries);
}

test('an image comes over, gets its name, and the task hears from where', async () => {
  const m1 = await hosts.source('m1');
  m1.engine.put(web, ['web:1']);
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, 'web:1')).toEqual({ kind: 'fetched' });
  expect(names()).toEqual({ [web.id]: ['web:1'] });
  expect(said).toEqual(['fetching image web:1 from node m1: 0 of 0.2 MB']);
  expect(hosts.metrics).toMatchObject({ ends: ['fetched'], bytes: web.archive.length });
  expect(m1.metrics).toMatchObject({ ends: ['served'], bytes: web.archive.length });
});

test('only who said that it has an image has to explain that it has not', async () => {
  for (const unsaid of [false, true])
    (await hosts.source(`m${unsaid ? 2 : 1}`)).source.unsaid = unsaid;
  const fetcher = await hosts.fetcher();
  const reasons = ['node m1: it has the image no more'];
  expect(await fetching(fetcher, 'web:1')).toEqual({ kind: 'none', reasons });
});

test('a spec that names the image itself gets it wherever its tag is by now', async () => {
  const { engine } = await hosts.source('m1');
  engine.put(web, []);
  engine.put(newer, ['web:1']);
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, `web:1@${web.id}`)).toEqual({ kind: 'fetched' });
  expect(names()).toEqual({ [web.id]: ['web:1'] });
});

test('a tag that somebody gave to another image stays there; one that came with an image moves on', async () => {
  const { engine } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  const fetcher = await hosts.fetcher();
  await fetching(fetcher, `web:1@${web.id}`);
  engine.put(newer, ['web:1']);
  await fetching(fetcher, `web:1@${newer.id}`);
  expect(names()).toEqual({ [web.id]: [], [newer.id]: ['web:1'] });
  hosts.asker.images.clear();
  hosts.asker.put(web, ['web:1']);
  await hosts.asker.notes.note('tags', 'web:1', 'sha256:other');
  await fetching(fetcher, `web:1@${newer.id}`);
  expect(names()).toEqual({ [web.id]: ['web:1'], [newer.id]: [] });
});

test("what a registry's digest stands for is remembered: the engine forgets it", async () => {
  const { engine } = await hosts.source('m1');
  engine.put(web, [], { digests: [digest] });
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, `web:1@${digest}`)).toEqual({ kind: 'fetched' });
  expect(hosts.asker.notes.imageOf(digest)).toBe(web.id);
  hosts.asker.calls.length = 0;
  expect(await fetching(fetcher, `web:1@${digest}`)).toEqual({ kind: 'fetched' });
  expect(hosts.asker.calls).not.toContain('POST /images/load');
  expect(hosts.metrics.ends).toEqual(['fetched', 'present']);
});

test('what workers say of it stays on this host', async () => {
  (await hosts.source('w1')).engine.put(web, [], { digests: [digest] });
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, `web:1@${digest}`)).toEqual({ kind: 'fetched' });
  expect(hosts.asker.notes.imageOf(digest)).toBeUndefined();
  expect(hosts.asker.notes.heardOf(digest)).toBe(web.id);
});

test('a source that sends something else is refused, and the next one is asked', async () => {
  const liar = await hosts.source('liar');
  liar.engine.put(web, ['web:1']);
  liar.engine.send = (_image, response) => response.end(newer.archive);
  const cheat = await hosts.source('cheat');
  cheat.engine.put(web, ['web:1']);
  cheat.engine.send = (_image, response) =>
    response.end(archiveOf([{ name: web.entries[0]?.name ?? '', body: 'x' }]));
  const fetcher = await hosts.fetcher();
  const failed = await fetching(fetcher, 'web:1');
  expect(failed).toEqual({
    kind: 'none',
    reasons: [
      'node liar: what it sent is not the image: it is another image',
      'node cheat: what it sent is not the image: its content is another one',
    ],
  });
  expect(names()).toEqual({});
  expect(hosts.metrics).toMatchObject({ ends: ['failed'], wrong: 2 });
  (await hosts.source('honest')).engine.put(web, ['web:1']);
  expect(await fetching(fetcher, 'web:1')).toEqual({ kind: 'fetched' });
  expect(names()).toEqual({ [web.id]: ['web:1'] });
});

test('each node that does not give it says why', async () => {
  (await hosts.source('empty')).engine.put(newer, ['other:1']);
  (await hosts.source('closed', { bytesPerSecond: 0 })).engine.put(web, ['web:1']);
  const gone = await hosts.source('gone');
  await gone.host.close();
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, 'web:1')).toEqual({
    kind: 'none',
    reasons: [
      'node empty: it has the image no more',
      'node closed: it shares no images',
      expect.stringMatching(/^node gone: .*ECONNREFUSED/),
    ],
  });
});

test('who has no task of the image gets nothing', async () => {
  const { engine, metrics } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  hosts.wanted = (nodeId, image) => nodeId === 'asker' && image === 'other:1';
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, 'web:1')).toEqual({
    kind: 'none',
    reasons: ['node m1: node asker has no task of web:1 that is to run'],
  });
  expect(engine.calls).toEqual([]);
  expect(metrics.ends).toEqual(['refused']);
});

test('no node has it: nothing is said', async () => {
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, 'web:1')).toEqual({ kind: 'none', reasons: [] });
  expect(hosts.metrics.ends).toEqual(['no-source']);
});

test('a host sends to two at once; the third waits, and says for whom', async () => {
  const { engine, metrics } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  const gate = Promise.withResolvers<void>();
  let sending = 0;
  let most = 0;
  const both = Promise.withResolvers<void>();
  engine.send = ({ archive }, response) => {
    sending += 1;
    most = Math.max(most, sending);
    if (sending === 2) both.resolve();
    response.on('close', () => {
      sending -= 1;
    });
    void gate.promise.then(() => response.end(archive));
  };
  // Pauses end at once, so that the test need not wait for them.
  const clock = {
    monotonic: () => systemClock.monotonic(),
    after: (ms: number, fire: () => void) => systemClock.after(ms > 3_000 ? ms : ms / 50, fire),
  };
  const fetcher = await hosts.fetcher({ clock });
  const first = [fetching(fetcher, 'web:1'), fetching(fetcher, 'web:1')];
  await both.promise;
  const third = fetching(fetcher, 'web:1');
  await expect.poll(() => said).toContain('waiting for image web:1: node m1 sends to others');
  gate.resolve();
  expect(await Promise.all([...first, third])).toEqual(Array(3).fill({ kind: 'fetched' }));
  expect(metrics.ends).toContain('busy');
  // The third one finds it here, or asks once more: never beside the two.
  expect(most).toBe(2);
});

test('a node that leaves while the engine has not begun makes room for others', async () => {
  const { engine, metrics } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  engine.send = () => undefined;
  const leaving = new AbortController();
  const fetched = fetching(await hosts.fetcher(), 'web:1', leaving.signal);
  await expect.poll(() => said).toHaveLength(1);
  leaving.abort();
  await fetched;
  await expect.poll(() => metrics.ends).toEqual(['failed']);
});

test('nothing passes faster than the rate', async () => {
  const { engine } = await hosts.source('m1', { bytesPerSecond: 150_000 });
  engine.put(web, ['web:1']);
  const fetcher = await hosts.fetcher();
  const begun = performance.now();
  await fetching(fetcher, 'web:1');
  // What is there after a rest goes at once; the rest of the 204 kB does not.
  expect(performance.now() - begun).toBeGreaterThan(300);
});

test.each([
  ['the one that sends', 60_000, 100],
  ['the one that receives', 100, 60_000],
])('an image that no longer moves is given up by %s', async (_who, here, there) => {
  const { engine } = await hosts.source('m1', { stallMsMax: there });
  engine.put(web, ['web:1']);
  engine.send = ({ archive }, response) => response.write(archive.subarray(0, 2_000));
  const fetcher = await hosts.fetcher({ stallMsMax: here });
  const end = await fetching(fetcher, 'web:1');
  expect(end.kind === 'none' && end.reasons[0]).toMatch(
    /^node m1: (nothing has moved for|it broke off)/,
  );
  expect(names()).toEqual({});
});

test('an image that its engine does not give breaks off', async () => {
  const { engine, metrics } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  engine.send = (_image, response) => response.writeHead(500).end('{"message":"no space left"}');
  const fetcher = await hosts.fetcher();
  const reasons = ['node m1: it broke off'];
  expect(await fetching(fetcher, 'web:1')).toEqual({ kind: 'none', reasons });
  expect(metrics.ends).toEqual(['failed']);
});

test('an engine that does not take it says why', async () => {
  const { engine } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  hosts.asker.refusal = 'no space left on device';
  const fetcher = await hosts.fetcher();
  expect(await fetching(fetcher, 'web:1')).toEqual({
    kind: 'none',
    reasons: ['node m1: the engine here does not take it: no space left on device'],
  });
});

test('an agent that ends lets go of everything', async () => {
  const { engine, metrics } = await hosts.source('m1');
  engine.put(web, ['web:1']);
  engine.send = ({ archive }, response) => response.write(archive.subarray(0, 2_000));
  const fetcher = await hosts.fetcher();
  const end = new AbortController();
  const fetched = fetching(fetcher, 'web:1', end.signal);
  await expect.poll(() => hosts.metrics.bytes).toBeGreaterThan(0);
  end.abort();
  expect(await fetched).toMatchObject({ kind: 'none' });
  await expect.poll(() => metrics.ends).toEqual(['failed']);
});
