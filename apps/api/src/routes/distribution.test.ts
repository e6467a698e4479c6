import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const local = {
  Id: digest('a'),
  RepoDigests: [`other@${digest('b')}`],
  Size: 12,
  Os: 'linux',
  Architecture: 'arm64',
  Variant: 'v8',
};
const unreachable = { message: 'Get "https://registry-1.docker.io/v2/": no such host' };

/** What the engine answers, by path; all else it does not know. */
let answers: Record<string, readonly [number, unknown]>;
let asked: string[];
let site: FakeSite;

beforeEach(async () => {
  answers = {};
  asked = [];
  site = new FakeSite(
    createServer((request, response) => {
      const path = (request.url ?? '').replace(/^\/v\d+\.\d+/, '');
      asked.push(`${path} ${request.headers['x-registry-auth'] ?? ''}`.trim());
      const [status, body] = answers[path] ?? [404, { message: 'no such' }];
      response.writeHead(status, { 'content-type': 'application/json', server: 'Docker' });
      response.end(JSON.stringify(body));
    }),
  );
  await site.start();
});
afterEach(() => site.close());

function distribution(name: string) {
  return site.ask('GET', `/v1.41/distribution/${name}/json`, undefined, {
    'x-registry-auth': 'e30=',
  });
}

async function init(): Promise<void> {
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
}

describe('on a manager', () => {
  beforeEach(init);

  test('a built image that no registry knows is told of by its id, with its platform', async () => {
    answers['/distribution/web:1/json'] = [500, unreachable];
    answers['/images/web:1/json'] = [200, local];
    expect(await distribution('web:1')).toMatchObject({
      status: 200,
      json: {
        Descriptor: { digest: digest('a'), size: 12 },
        Platforms: [{ architecture: 'arm64', os: 'linux', variant: 'v8' }],
      },
    });
  });

  test.each([
    ['10.0.0.1:5000/web:1', `10.0.0.1:5000/web@${digest('c')}`],
    ['docker.io/library/web:1', `web@${digest('c')}`],
  ])('%s, which was pulled, is told of by the digest it has there', async (name, pulled) => {
    answers[`/images/${name}/json`] = [
      200,
      { ...local, RepoDigests: [...local.RepoDigests, pulled] },
    ];
    expect((await distribution(name)).json).toMatchObject({ Descriptor: { digest: digest('c') } });
  });

  test('what the registry says counts, and it hears who asks', async () => {
    const told = { Descriptor: { digest: digest('f') }, Platforms: [] };
    answers['/distribution/web:1/json'] = [200, told];
    answers['/images/web:1/json'] = [200, local];
    expect((await distribution('web:1')).json).toEqual(told);
    expect(asked).toContain('/distribution/web:1/json e30=');
  });

  test('an image that names itself is found by that', async () => {
    answers[`/images/${digest('a')}/json`] = [200, local];
    expect((await distribution(`web:1@${digest('a')}`)).json).toMatchObject({
      Descriptor: { digest: digest('a') },
    });
  });

  test('of an image that is nowhere the engine says why, in its own words', async () => {
    answers['/distribution/web:1/json'] = [500, unreachable];
    const answer = await distribution('web:1');
    expect(answer).toMatchObject({ status: 500, json: unreachable });
    expect(answer.headers['server']).toBe('Docker');
  });

  test('clients before 1.30, which leave it to the server, get the same', async () => {
    answers['/images/web:latest/json'] = [200, local];
    const body = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'web' } } };
    const created = await site.ask('POST', '/v1.29/services/create', body);
    expect(created).toMatchObject({ status: 201, json: { Warnings: null } });
    const { json } = await site.ask('GET', '/services/web');
    expect(json).toMatchObject({
      Spec: { TaskTemplate: { ContainerSpec: { Image: `web:latest@${digest('a')}` } } },
    });
  });
});

test('a host in no swarm passes on what its engine says', async () => {
  answers['/distribution/web:1/json'] = [500, unreachable];
  answers['/images/web:1/json'] = [200, local];
  expect(await distribution('web:1')).toMatchObject({ status: 500, json: unreachable });
});
