// Bad input is refused at the border, in Docker's words, and changes nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host } from '../host/host.ts';

let host: Host;

beforeAll(async () => {
  host = await Host.create('refusals');
  await host.up();
  await host.init();
  await host.docker('service', 'create', '-d', '--name', 'taken', '--replicas', '0', 'busybox');
});

afterAll(async () => {
  await host.destroy();
});

const spec = (change: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    Name: 'fine',
    TaskTemplate: { ContainerSpec: { Image: 'busybox:latest' } },
    Mode: { Replicated: { Replicas: 0 } },
    ...change,
  });

describe('the docker CLI', () => {
  test.each<[string, string[], string]>([
    [
      'a duplicate name',
      ['service', 'create', '-d', '--name', 'taken', 'busybox'],
      'name conflicts with an existing object: service taken already exists',
    ],
    [
      'a name that is no DNS label',
      ['service', 'create', '-d', '--name', 'no.dots', 'busybox'],
      'name must be valid as a DNS name component',
    ],
    [
      'a name that is too long',
      ['service', 'create', '-d', '--name', 'n'.repeat(64), 'busybox'],
      'name must be 63 characters or fewer',
    ],
    [
      'a bad image reference',
      ['service', 'create', '-d', 'BusyBox'],
      '"BusyBox" is not a valid repository/tag',
    ],
    [
      'too little CPU',
      ['service', 'create', '-d', '--limit-cpu=0.0001', 'busybox'],
      'invalid cpu value 0.0001: Must be at least 0.001',
    ],
    [
      'too little memory',
      ['service', 'create', '-d', '--limit-memory=1k', 'busybox'],
      'invalid memory value 1024: Must be at least 4MiB',
    ],
    [
      'an unknown restart condition',
      ['service', 'create', '-d', '--restart-condition=sometimes', 'busybox'],
      'invalid RestartCondition: "sometimes"',
    ],
    [
      'an unknown update order',
      ['service', 'create', '-d', '--update-order=sideways', 'busybox'],
      'unrecognized update order sideways',
    ],
    [
      'an unknown failure action',
      ['service', 'create', '-d', '--update-failure-action=explode', 'busybox'],
      'unrecognized update failure action explode',
    ],
    [
      'an unknown endpoint mode',
      ['service', 'create', '-d', '--endpoint-mode=foo', 'busybox'],
      'invalid resolution mode: "foo"',
    ],
    [
      'a constraint without operator',
      ['service', 'create', '-d', '--constraint=foo', 'busybox'],
      'constraint expected one operator from ==, !=',
    ],
    ['an unknown service', ['service', 'inspect', 'nope'], 'no such service: nope'],
    ['an unknown service to remove', ['service', 'rm', 'nope'], 'service nope not found'],
    ['an unknown node', ['node', 'inspect', 'nope'], 'nope'],
    [
      'an unknown network',
      ['service', 'create', '-d', '--network=nope', 'busybox'],
      'network nope not found',
    ],
    ['an unknown filter', ['service', 'ls', '--filter', 'bogus=1'], "invalid filter 'bogus'"],
    [
      'a rollback with nothing to go back to',
      ['service', 'rollback', '-d', 'taken'],
      'does not have a previous spec',
    ],
  ])('%s', async (_, command, text) => {
    const result = await host.tryDocker(command);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(text);
  });
});

describe('raw requests', () => {
  test.each<[string, string, string, string | undefined, number, string]>([
    ['malformed JSON', 'POST', '/v1.41/services/create', '{bad', 400, 'invalid JSON'],
    [
      'negative replicas',
      'POST',
      '/services/create',
      spec({ Mode: { Replicated: { Replicas: -1 } } }),
      400,
      'eplicas',
    ],
    [
      'two modes',
      'POST',
      '/services/create',
      spec({ Mode: { Replicated: {}, Global: {} } }),
      400,
      'must specify only one service mode',
    ],
    [
      'no image',
      'POST',
      '/services/create',
      spec({ TaskTemplate: { ContainerSpec: {} } }),
      400,
      'ContainerSpec: image reference must be provided',
    ],
    [
      'no version on update',
      'POST',
      '/services/taken/update',
      spec(),
      400,
      `invalid service version ''`,
    ],
    [
      'an out-of-date version',
      'POST',
      '/services/taken/update?version=1',
      spec({ Name: 'taken' }),
      500,
      'update out of sequence',
    ],
    [
      'renaming',
      'POST',
      '/services/taken/update?version=1',
      spec({ Name: 'other' }),
      501,
      'renaming services is not supported',
    ],
    ['an unknown service', 'GET', '/services/nope', undefined, 404, 'service nope not found'],
    ['an unknown task', 'GET', '/tasks/nope', undefined, 404, 'task nope not found'],
    ['an unknown path', 'GET', '/nope', undefined, 404, 'page not found'],
    ['a wrong method', 'PUT', '/services', undefined, 404, 'page not found'],
    [
      'a version too new',
      'GET',
      '/v1.99/info',
      undefined,
      400,
      'client version 1.99 is too new. Maximum supported API version is 1.50',
    ],
    ['filters that are not JSON', 'GET', '/nodes?filters=x', undefined, 400, 'invalid filter'],
    [
      'an oversize body',
      'POST',
      '/services/create',
      spec({ Labels: { big: 'x'.repeat(5 * 1024 * 1024) } }),
      413,
      'too large',
    ],
  ])('%s', async (_, method, path, body, status, text) => {
    const response = await host.http(method, path, body);
    expect({ status: response.status, type: response.headers['content-type'] }).toEqual({
      status,
      type: 'application/json',
    });
    const { message } = JSON.parse(response.body) as { message: string };
    expect(message).toContain(text);
  });

  test('a wrong content type', async () => {
    const response = await host.http('POST', '/services/create', spec(), {
      'content-type': 'text/plain',
    });
    expect(response.status).toBe(400);
    expect(response.body).toContain(
      "unsupported Content-Type header (text/plain): must be 'application/json'",
    );
  });

  test('none of it changed anything', async () => {
    expect(await host.docker('service', 'ls', '--format', '{{.Name}}')).toBe('taken\n');
  });
});

describe('command line of shoal', () => {
  test.each<[string, string[], string]>([
    ['an unknown flag', ['up', '--colour=blue'], 'colour'],
    ['a bad address', ['up', '--listen=nowhere'], 'nowhere'],
    ['an unknown command', ['dance'], 'dance'],
    ['an unknown process', ['run', 'juggler'], 'juggler'],
  ])('%s is named in one sentence', async (_, command, text) => {
    const result = await host.shoal(...command);
    expect(result.code).not.toBe(0);
    const said = result.stderr
      .trim()
      .split('\n')
      .filter((line) => line !== '');
    expect(said.join(' ')).toContain(text);
    expect(said.length).toBeLessThanOrEqual(3);
  });
});
