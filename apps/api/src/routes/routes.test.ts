import type { Identity } from '@shoal/pki';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
});
afterEach(() => site.close());

const init = { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } };
const service = (name: string, rest: object = {}): object => ({
  Name: name,
  TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
  ...rest,
});
const fail = (status: number, message: string): object => ({ status, json: { message } });

interface Read {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Name: string; readonly Mode: unknown };
  readonly PreviousSpec?: { readonly Mode: unknown };
  readonly UpdateStatus?: { readonly State: string; readonly Message: string };
}

async function read(ref: string): Promise<Read> {
  const answer = await site.ask('GET', `/v1.50/services/${ref}`);
  expect(answer.status).toBe(200);
  return answer.json as Read;
}

describe('before there is a swarm', () => {
  const text =
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

  test.each([
    ['GET', '/nodes'],
    ['GET', '/services'],
    ['GET', '/v1.41/services/web'],
    ['GET', '/tasks'],
    ['GET', '/swarm'],
    ['GET', '/swarm/unlockkey'],
    ['GET', '/secrets'],
    ['GET', '/configs'],
    ['DELETE', '/services/web'],
    ['POST', '/services/create'],
  ])('%s %s', async (method, path) => {
    const body = method === 'POST' ? service('web') : undefined;
    expect(await site.ask(method, path, body)).toMatchObject(fail(503, text));
  });

  test('requests wait while the host takes up the swarm that is on its disk', async () => {
    await site.ask('POST', '/swarm/init', init);
    await site.ask('POST', '/services/create', service('web'));
    const { standing } = site.host;
    let takenUp: () => void = () => undefined;
    const takingUp = new Promise<void>((resolve) => {
      takenUp = resolve;
    });
    const waits = vi.spyOn(takingUp, 'finally');
    site.host.standing = { kind: 'inactive' };
    site.host.takingUp = takingUp;
    const asked = [site.ask('GET', '/services'), site.ask('GET', '/_ping')] as const;
    await vi.waitFor(() => expect(waits).toHaveBeenCalledTimes(asked.length));
    site.host.standing = standing;
    site.host.takingUp = undefined;
    takenUp();
    const [services, ping] = await Promise.all(asked);
    expect(services).toMatchObject({ status: 200, json: [{ Spec: { Name: 'web' } }] });
    expect(ping.headers['swarm']).toBe('active/manager');
  });

  test('an overlay network is refused with 403', async () => {
    const answer = await site.ask('POST', '/networks/create', { Name: 'x', Driver: 'overlay' });
    expect(answer).toMatchObject(fail(403, text));
  });

  test('ping says inactive, on GET and HEAD', async () => {
    const answer = await site.ask('GET', '/_ping');
    expect(answer.headers).toMatchObject({
      swarm: 'inactive',
      'api-version': '1.50',
      ostype: 'linux',
      'docker-experimental': 'false',
    });
    expect(answer.text).toBe('OK');
    expect(await site.ask('HEAD', '/_ping')).toMatchObject({ status: 200, text: '' });
  });
});

describe('on its way into a swarm', () => {
  const locked =
    'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.';
  const routes = [
    ['GET', '/nodes'],
    ['GET', '/services'],
    ['GET', '/swarm'],
    ['GET', '/swarm/unlockkey'],
    ['GET', '/nodes/x'],
    ['DELETE', '/nodes/x'],
    ['DELETE', '/services/web'],
    ['GET', '/tasks'],
    ['GET', '/secrets'],
  ] as const;

  test.each(routes)('%s %s on a locked manager', async (method, path) => {
    site.host.standing = { kind: 'locked' };
    expect(await site.ask(method, path)).toMatchObject(fail(503, locked));
    expect((await site.ask('GET', '/_ping')).headers['swarm']).toBe('locked');
  });

  test.each(routes)('%s %s on a worker', async (method, path) => {
    const identity = { nodeId: 'w', managers: [] } as unknown as Identity;
    site.host.standing = { kind: 'worker', identity };
    expect(await site.ask(method, path)).toMatchObject(
      fail(
        503,
        "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
      ),
    );
    expect((await site.ask('GET', '/_ping')).headers['swarm']).toBe('active/worker');
  });

  test('a join is read, and refused before it is read where there is a swarm already', async () => {
    const join = { ListenAddr: '0.0.0.0:2377', RemoteAddrs: ['10.0.0.9'], JoinToken: 'x' };
    expect((await site.ask('POST', '/swarm/join', join)).status).toBe(200);
    expect(site.host.joins).toMatchObject([
      { remoteAddrs: ['10.0.0.9:2377'], joinToken: 'x', availability: 'active' },
    ]);
    expect(await site.ask('POST', '/swarm/join', { ...join, RemoteAddrs: [] })).toMatchObject(
      fail(400, 'at least 1 RemoteAddr is required to join'),
    );
    site.host.standing = { kind: 'locked' };
    expect(await site.ask('POST', '/swarm/join', {})).toMatchObject({ status: 503 });
  });

  test('an unlock key is handed on', async () => {
    expect(await site.ask('POST', '/swarm/unlock', { UnlockKey: 'SWMKEY-1-x' })).toMatchObject({
      status: 200,
      text: '',
    });
    expect(site.host.unlocks).toEqual(['SWMKEY-1-x']);
  });
});

describe('the edge', () => {
  test.each([
    ['GET', '/nope'],
    ['PUT', '/services'],
    ['DELETE', '/swarm'],
    ['GET', '/v1.41/nope'],
  ])('%s %s is no page', async (method, path) => {
    const answer = await site.ask(method, path);
    expect(answer).toMatchObject(fail(404, 'page not found'));
    expect(answer.headers['content-type']).toBe('application/json');
  });

  test.each(['/services', '/v1.41/swarm/init', '/tasks/nope/logs'])(
    'OPTIONS %s is answered without content, as by the engine',
    async (path) => {
      const answer = await site.ask('OPTIONS', path);
      expect(answer).toMatchObject({ status: 200, text: '' });
      expect(answer.headers['api-version']).toBe('1.50');
    },
  );

  test('versions', async () => {
    const tooNew = 'client version 1.99 is too new. Maximum supported API version is 1.50';
    expect(await site.ask('GET', '/v1.99/info')).toMatchObject(fail(400, tooNew));
    const old = await site.ask('GET', '/v1.11/info');
    expect(old.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(old.text).toContain('client version 1.11 is too old.');
  });

  test('bodies', async () => {
    const post = (body: string, type = 'application/json') =>
      site.ask('POST', '/services/create', body, { 'content-type': type });
    expect(await post('{}', 'text/plain')).toMatchObject(
      fail(400, "unsupported Content-Type header (text/plain): must be 'application/json'"),
    );
    expect(await post('{bad')).toMatchObject(
      fail(400, "invalid JSON: invalid character 'b' looking for beginning of object key string"),
    );
    expect(await post(`"${'x'.repeat(5 * 1024 * 1024)}"`)).toMatchObject(
      fail(413, 'http: request body too large'),
    );
  });

  test('counts by route, not by path', async () => {
    await site.ask('GET', '/services/some-id');
    await site.ask('GET', '/containers/some-id/json');
    await expect.poll(() => site.observed).toEqual(['GET /services/:ref 503', 'GET engine 404']);
  });
});

describe('a swarm', () => {
  beforeEach(async () => {
    expect((await site.ask('POST', '/swarm/init', init)).status).toBe(200);
  });

  test('is made once, with one node that manages it', async () => {
    expect(await site.ask('POST', '/swarm/init', init)).toMatchObject(
      fail(
        503,
        'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
      ),
    );
    const nodes = (await site.ask('GET', '/nodes')).json;
    expect(nodes).toMatchObject([
      { Spec: { Role: 'manager' }, ManagerStatus: { Leader: true, Addr: '10.0.0.1:2377' } },
    ]);
    const swarm = await site.ask('GET', '/swarm');
    expect(swarm.json).toMatchObject({
      Spec: { Name: 'default', Orchestration: { TaskHistoryRetentionLimit: 5 } },
      JoinTokens: { Worker: expect.stringMatching(/^SWMTKN-1-/) },
    });
    expect(swarm.text).not.toContain('sealed');
  });

  test('tokens turn, and only the secret part of the one asked for', async () => {
    type Swarm = {
      Version: { Index: number };
      Spec: object;
      JoinTokens: Record<'Worker' | 'Manager', string>;
    };
    const before = (await site.ask('GET', '/swarm')).json as Swarm;
    const url = `/swarm/update?version=${before.Version.Index}&rotateWorkerToken=true`;
    expect((await site.ask('POST', url, before.Spec)).status).toBe(200);
    const after = (await site.ask('GET', '/swarm')).json as Swarm;
    expect(after.JoinTokens.Manager).toBe(before.JoinTokens.Manager);
    expect(after.JoinTokens.Worker).not.toBe(before.JoinTokens.Worker);
    expect(after.JoinTokens.Worker.slice(0, 60)).toBe(before.JoinTokens.Worker.slice(0, 60));
    expect(await site.ask('POST', url, before.Spec)).toMatchObject(
      fail(500, 'rpc error: code = Unknown desc = update out of sequence'),
    );
  });

  test('a service is created, read, changed, rolled back and removed', async () => {
    const created = await site.ask('POST', '/v1.50/services/create', service('web'));
    expect(created).toMatchObject({
      status: 201,
      json: { ID: expect.any(String), Warnings: null },
    });
    expect(await site.ask('POST', '/services/create', service('WEB'))).toMatchObject({
      status: 409,
    });
    expect(await site.ask('POST', '/services/create', service('web'))).toMatchObject(
      fail(
        409,
        'rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists',
      ),
    );
    const first = await read('web');
    const change = { Mode: { Replicated: { Replicas: 3 } } };
    const url = (version: number, rest = '') => `/services/web/update?version=${version}${rest}`;
    expect(await site.ask('POST', url(first.Version.Index), service('web', change))).toMatchObject({
      status: 200,
      json: { Warnings: null },
    });
    const second = await read(first.ID.slice(0, 12));
    expect(second.Spec.Mode).toEqual(change.Mode);
    expect(second.PreviousSpec?.Mode).toEqual({ Replicated: { Replicas: 1 } });
    expect(await site.ask('POST', url(first.Version.Index), service('web'))).toMatchObject(
      fail(500, 'rpc error: code = Unknown desc = update out of sequence'),
    );
    const back = url(second.Version.Index, '&rollback=previous');
    expect((await site.ask('POST', back, service('web'))).status).toBe(200);
    const third = await read('web');
    expect(third.Spec.Mode).toEqual({ Replicated: { Replicas: 1 } });
    expect(third.UpdateStatus).toMatchObject({
      State: 'rollback_started',
      Message: 'manually requested rollback',
    });
    const again = url(third.Version.Index);
    expect((await site.ask('POST', again, service('web', change))).status).toBe(200);
    expect((await read('web')).UpdateStatus).toBeUndefined();
    expect(await site.ask('DELETE', '/services/web')).toMatchObject({ status: 200, text: '' });
    expect(await site.ask('GET', '/services/web')).toMatchObject(
      fail(404, 'service web not found'),
    );
  });

  test('an update is refused in the words that clients know', async () => {
    await site.ask('POST', '/services/create', service('web'));
    const { ID, Version } = await read('web');
    const update = (query: string, body: object = service('web')) =>
      site.ask('POST', `/services/web/update?${query}`, body);
    const version = `version=${Version.Index}`;
    expect(await update('')).toMatchObject(
      fail(400, `invalid service version '': strconv.ParseUint: parsing "": invalid syntax`),
    );
    expect(await update(version, service('other'))).toMatchObject(
      fail(501, 'rpc error: code = Unimplemented desc = renaming services is not supported'),
    );
    expect(await update(version, service('web', { Mode: { Global: {} } }))).toMatchObject(
      fail(501, 'rpc error: code = Unimplemented desc = service mode change is not allowed'),
    );
    expect(await update(`${version}&rollback=foo`)).toMatchObject(
      fail(500, 'unrecognized rollback option foo'),
    );
    expect(await update(`${version}&rollback=previous`)).toMatchObject(
      fail(
        400,
        `rpc error: code = FailedPrecondition desc = service ${ID} does not have a previous spec`,
      ),
    );
    expect(await update(`${version}&registryAuthFrom=x`)).toMatchObject(
      fail(500, 'unsupported registryAuthFrom value'),
    );
  });

  test('credentials go on with an update and are never shown', async () => {
    const secret = Buffer.from('{"password":"hunter2"}').toString('base64url');
    const auth = { 'x-registry-auth': secret };
    await site.ask('POST', '/services/create', service('web'), auth);
    const { ID, Version } = await read('web');
    await site.ask('POST', `/services/web/update?version=${Version.Index}`, service('web'));
    const { revisions } = site.host.log.view;
    expect(revisions.of(ID, 1)?.registryAuth?.sealed).toBeDefined();
    expect(revisions.of(ID, 2)?.registryAuth?.sealed).toBeDefined();
    const shown = (await site.ask('GET', '/services/web')).text;
    expect(shown).not.toMatch(/registryAuth|sealed/i);
    expect(JSON.stringify([...revisions.values()])).not.toContain(secret);
  });

  test('a service without a name gets one', async () => {
    await site.ask('POST', '/services/create', service(''));
    const [only] = (await site.ask('GET', '/services')).json as Read[];
    expect(only?.Spec.Name).toMatch(/^[a-z]+_[a-z]+$/);
  });

  test('the twins of host and bridge are found where they are asked for', async () => {
    const twin = await site.ask('GET', '/networks/host?scope=swarm');
    expect(twin.json).toMatchObject({
      Name: 'host',
      Scope: 'swarm',
      Labels: { 'com.docker.swarm.predefined': 'true' },
    });
    const { Id } = twin.json as { Id: string };
    expect((await site.ask('DELETE', `/networks/${Id}`)).status).toBe(403);
    expect(await site.ask('GET', '/networks/none?scope=swarm')).toMatchObject(
      fail(404, 'network none not found'),
    );
    const attached = (Target: string) =>
      service(`on-${Target}`, {
        TaskTemplate: { ContainerSpec: { Image: 'busybox' }, Networks: [{ Target }] },
      });
    expect((await site.ask('POST', '/services/create', attached('host'))).status).toBe(201);
    expect(await site.ask('POST', '/services/create', attached('nope'))).toMatchObject(
      fail(500, 'network nope not found'),
    );
  });

  test('the last manager stays', async () => {
    const [node] = (await site.ask('GET', '/nodes')).json as Read[];
    const url = `/nodes/${node?.ID}`;
    const demote = { Role: 'worker', Availability: 'active' };
    const update = `${url}/update?version=${node?.Version.Index}`;
    expect(await site.ask('POST', update, demote)).toMatchObject({ status: 400 });
    expect(await site.ask('POST', update, { Role: 'boss', Availability: 'active' })).toMatchObject(
      fail(400, 'invalid Role: "boss"'),
    );
    expect(await site.ask('DELETE', `${url}?force=1`)).toMatchObject({ status: 400 });
    const drain = { Role: 'manager', Availability: 'drain', Labels: { zone: 'a' } };
    expect((await site.ask('POST', update, drain)).status).toBe(200);
    expect((await site.ask('GET', url)).json).toMatchObject({ Spec: drain });
    expect(await site.ask('POST', '/swarm/leave')).toMatchObject({ status: 503 });
  });

  test('autolock is turned on, its key rotated and turned off', async () => {
    type Swarm = { Version: { Index: number }; Spec: { EncryptionConfig: object } };
    const swarm = async () => (await site.ask('GET', '/swarm')).json as Swarm;
    const key = async () =>
      ((await site.ask('GET', '/swarm/unlockkey')).json as { UnlockKey: string }).UnlockKey;
    const update = async (AutoLockManagers: boolean, query = '') => {
      const { Spec, Version } = await swarm();
      const body = { ...Spec, EncryptionConfig: { AutoLockManagers } };
      const url = `/swarm/update?version=${Version.Index}${query}`;
      expect((await site.ask('POST', url, body)).status).toBe(200);
      return site.host.log.view.cluster?.unlockKey?.version;
    };
    expect(await key()).toBe('');
    const first = await update(true);
    const shown = await key();
    expect(shown).toMatch(/^SWMKEY-1-[A-Za-z0-9+/]{43}$/);
    expect(await update(true)).toBe(first);
    expect(await key()).toBe(shown);
    const second = await update(true, '&rotateManagerUnlockKey=true');
    expect(second).toBeGreaterThan(first ?? 0);
    expect(await key()).not.toBe(shown);
    expect(await update(false)).toBeUndefined();
    expect(await key()).toBe('');
    expect(await update(true)).toBeGreaterThan(second ?? 0);
    expect((await site.ask('GET', '/swarm')).text).not.toContain('SWMKEY');
  });

  test('managers are shown as the leader hears them', async () => {
    const [self] = (await site.ask('GET', '/nodes')).json as Read[];
    const [made] = site.host.log.view.nodes.values();
    if (self === undefined || made === undefined) throw new Error('no node');
    const other = { ...made, id: 'other', manager: { raftId: 2, addr: '10.0.0.2:2377' } };
    site.host.log.write([{ op: 'create', table: 'node', object: other }]);
    site.host.quorum = {
      leader: self.ID,
      reachability: new Map([
        [self.ID, 'reachable'],
        ['other', 'unreachable'],
      ]),
    };
    expect((await site.ask('GET', '/nodes')).json).toMatchObject([
      { ID: self.ID, ManagerStatus: { Leader: true, Reachability: 'reachable' } },
      { ID: 'other', ManagerStatus: { Reachability: 'unreachable', Addr: '10.0.0.2:2377' } },
    ]);
    const demote = (id: string, version: number) =>
      site.ask('POST', `/nodes/${id}/update?version=${version}`, {
        Role: 'worker',
        Availability: 'active',
      });
    expect(await demote(self.ID, self.Version.Index)).toMatchObject(
      fail(
        400,
        "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would result in a loss of quorum",
      ),
    );
    const version = site.host.log.view.nodes.get('other')?.meta.version ?? 0;
    expect((await demote('other', version)).status).toBe(200);
    expect(await site.ask('DELETE', '/nodes/other?force=1')).toMatchObject(
      fail(
        400,
        'rpc error: code = FailedPrecondition desc = node other is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal',
      ),
    );
  });

  test('a worker is removed when it is down, or by force', async () => {
    const [made] = site.host.log.view.nodes.values();
    if (made === undefined) throw new Error('no node');
    const { manager: _none, ...rest } = made;
    const worker = (id: string, state: 'ready' | 'down') =>
      ({
        ...rest,
        id,
        role: 'worker',
        spec: { ...made.spec, Role: 'worker' },
        status: { ...made.status, state },
      }) as const;
    site.host.log.write([
      { op: 'create', table: 'node', object: worker('up', 'ready') },
      { op: 'create', table: 'node', object: worker('away', 'down') },
    ]);
    expect(await site.ask('DELETE', '/nodes/up')).toMatchObject(
      fail(
        400,
        "rpc error: code = FailedPrecondition desc = node up is not down and can't be removed",
      ),
    );
    expect(await site.ask('DELETE', '/nodes/up?force=1')).toMatchObject({ status: 200, text: '' });
    expect((await site.ask('DELETE', '/nodes/away')).status).toBe(200);
    expect(Object.keys(site.host.log.view.cluster?.removedNodes ?? {})).toEqual(['up', 'away']);
    expect(await site.ask('DELETE', '/nodes/away')).toMatchObject(fail(404, 'node away not found'));
  });

  test('without quorum reads come from memory and say so, writes say who is missing', async () => {
    await site.ask('POST', '/services/create', service('web'));
    const fresh = await site.ask('GET', '/services/web');
    expect(fresh.headers['x-shoal-stale']).toBeUndefined();
    site.host.leaderless = {
      kind: 'failed',
      code: 'no-leader',
      message: 'the swarm does not have a leader: 1 of 3 managers is reachable, 2 are needed',
    };
    for (const path of ['/services', '/services/web', '/nodes', '/tasks', '/swarm', '/secrets']) {
      const answer = await site.ask('GET', path);
      expect([path, answer.status, answer.headers['x-shoal-stale']]).toEqual([path, 200, 'true']);
    }
    expect(await site.ask('POST', '/services/create', service('two'))).toMatchObject(
      fail(
        500,
        "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online. (1 of 3 managers is reachable, 2 are needed)",
      ),
    );
  });

  test('a disk that refuses is named; reads go on', async () => {
    await site.ask('POST', '/services/create', service('web'));
    site.host.log.failWith({ kind: 'failed', code: 'storage', message: 'no space left on device' });
    const refused = await site.ask('POST', '/services/create', service('two'));
    expect(refused.status).toBe(500);
    expect(refused.text).toContain(site.directory);
    expect(refused.text).toContain('no space left on device');
    expect((await read('web')).Spec.Name).toBe('web');
  });
});
