import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { standInLabel } from '@shoal/docker-api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';
import { hex, local } from '../testing/fake-networks.ts';
import { withoutTasks } from './list-items.ts';

const swarmId = 'n'.padEnd(25, '1');
const otherId = 'o'.padEnd(25, '1');
const standIns = [
  local('demo', hex('9'), { Labels: { [standInLabel]: swarmId } }),
  local(`mine-${otherId.slice(0, 12)}`, hex('8'), { Labels: { [standInLabel]: otherId } }),
];
const task = { Labels: { 'com.docker.swarm.task.id': 't1' } };

let site: FakeSite;
/** What is asked of the engine about containers, and how often about networks. */
let asked: string[];
let listings: number;
let answer: { readonly status: number; readonly chunks: readonly string[] };

beforeEach(async () => {
  asked = [];
  listings = 0;
  answer = { status: 200, chunks: ['[]\n'] };
  const fakeEngine = createServer(({ url = '' }, response) => {
    response.writeHead(url.includes('/containers/') ? answer.status : 200, {
      'content-type': 'application/json',
      'api-version': '1.50',
    });
    if (url.includes('/networks')) {
      listings += 1;
      response.end(JSON.stringify(standIns));
    } else if (url.includes('/containers/')) {
      asked.push(decodeURIComponent(url));
      for (const chunk of answer.chunks) response.write(chunk);
      response.end();
    } else response.end('{}');
  });
  site = new FakeSite(fakeEngine);
  await site.start();
});
afterEach(() => site.close());

const join = () => site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
const list = (filters: object, more = '') =>
  site.ask(
    'GET',
    `/v1.50/containers/json?filters=${encodeURIComponent(JSON.stringify(filters))}${more}`,
  );
const networkOf = (id: string): string =>
  `{"Big":9223372036854775807,"Id":"${hex('9')}","ü":{"NetworkID":"${id}","é":1.0}}`;

describe("a container's networks", () => {
  test.each(['/v1.50/containers/json', '/containers/json?all=1', '/containers/web/json?size=1'])(
    'have the ids of the swarm in %s, and the rest stays as it is',
    async (path) => {
      await join();
      const told = (...ids: readonly string[]) => `[${ids.map(networkOf).join(',')}]\n`;
      const whole = told(hex('9'), hex('8'), hex('7'), '');
      for (const cut of [1, 30, 40, 63, 64, 100, whole.length]) {
        answer = { status: 200, chunks: [whole.slice(0, cut), whole.slice(cut)] };
        const { text: body, headers } = await site.ask('GET', path);
        expect(body).toBe(told(swarmId, otherId, hex('7'), ''));
        expect(headers['content-length']).toBeUndefined();
      }
      expect(listings).toBe(1);
    },
  );

  test('are asked about where there are any', async () => {
    await join();
    expect((await site.ask('GET', '/containers/json')).text).toBe('[]\n');
    expect(listings).toBe(0);
  });

  test('outside a swarm are as the engine says', async () => {
    answer = { status: 200, chunks: [networkOf(hex('9'))] };
    expect((await site.ask('GET', '/containers/web/json')).text).toBe(networkOf(hex('9')));
    expect(listings).toBe(0);
  });

  test('are not looked for in a refusal', async () => {
    await join();
    const message = JSON.stringify({ message: `no ${hex('9')}` });
    answer = { status: 404, chunks: [message] };
    expect(await site.ask('GET', '/containers/web/json')).toMatchObject({
      status: 404,
      text: message,
    });
  });
});

describe('the engine is asked for', () => {
  const flags = (...values: readonly string[]) =>
    Object.fromEntries(values.map((value) => [value, true]));
  test.each([
    [{ network: [swarmId] }, { network: flags(swarmId, hex('9')) }],
    [{ network: flags(otherId.slice(0, 8)) }, { network: flags('o1111111', hex('8')) }],
    [{ network: ['demo', 'mine'] }, { network: flags('demo', 'mine', hex('9'), hex('8')) }],
    [
      { network: ['nope'], status: ['running'] },
      { network: flags('nope'), status: flags('running') },
    ],
    [{ 'is-task': ['true'] }, { label: flags('com.docker.swarm.task.id') }],
    [
      { 'is-task': flags('true'), label: ['a=b'] },
      { label: flags('a=b', 'com.docker.swarm.task.id') },
    ],
    [{ 'is-task': ['false'], name: ['web'] }, { name: flags('web') }],
    [{ 'is-task': ['perhaps'] }, { 'is-task': ['perhaps'] }],
    [{ name: ['web'] }, { name: ['web'] }],
    [{ network: 3 }, { network: 3 }],
  ])('%j as %j', async (filters, expected) => {
    await join();
    await list(filters, '&size=1');
    const query = new URL(asked[0] ?? '', 'http://engine').searchParams;
    expect(JSON.parse(query.get('filters') ?? '')).toEqual(expected);
    expect(query.get('size')).toBe('1');
  });

  test('all containers where those of tasks are left out of a limited number', async () => {
    await join();
    answer = { status: 200, chunks: [JSON.stringify([task, { Id: 'a' }, { Id: 'b' }])] };
    const { text: body } = await list({ 'is-task': ['false'] }, '&limit=1');
    expect(body).toBe('[{"Id":"a"}]\n');
    expect(asked[0]).toBe('/v1.50/containers/json?filters={}&all=1');
  });
});

describe('without those of tasks', () => {
  const odd = { Labels: { 'a]}': '"[{\\"é', '\\': '{' }, Ports: [{ a: [] }] };
  async function* inChunks(text: string, bytes: number): AsyncGenerator<Buffer> {
    const whole = Buffer.from(text);
    for (let at = 0; at < whole.length; at += bytes) yield whole.subarray(at, at + bytes);
  }
  const shown = (items: readonly object[], limit: number, bytes: number): Promise<string> =>
    text(withoutTasks(inChunks(JSON.stringify(items), bytes), limit));

  test.each([1, 2, 7, 1_000])('a list in chunks of %i bytes stays whole', async (bytes) => {
    const many = Number.POSITIVE_INFINITY;
    expect(await shown([odd, task, { Labels: null }, odd], many, bytes)).toBe(
      `${JSON.stringify([odd, { Labels: null }, odd])}\n`,
    );
    expect(await shown([task, odd, odd, odd], 2, bytes)).toBe(`${JSON.stringify([odd, odd])}\n`);
    expect(await shown([task], many, bytes)).toBe('[]\n');
    expect(await shown([], many, bytes)).toBe('[]\n');
  });
});
