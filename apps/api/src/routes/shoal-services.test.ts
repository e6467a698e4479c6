import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  const init = { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } };
  await site.ask('POST', '/swarm/init', init);
  await site.ask('POST', '/services/create', withImage('busybox:1'));
});
afterEach(() => site.close());

const withImage = (Image: string): object => ({
  Name: 'web',
  TaskTemplate: { ContainerSpec: { Image } },
});

interface Read {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly TaskTemplate: { readonly ContainerSpec: { readonly Image: string } } };
  readonly UpdateStatus?: { readonly State: string; readonly Message: string };
}

async function read(): Promise<Read> {
  return (await site.ask('GET', '/services/web')).json as Read;
}

async function update(image: string): Promise<void> {
  const { Version } = await read();
  const path = `/services/web/update?version=${Version.Index}`;
  expect(await site.ask('POST', path, withImage(image))).toMatchObject({ status: 200 });
}

const imageOf = async (): Promise<string> => (await read()).Spec.TaskTemplate.ContainerSpec.Image;

describe('revisions of a service', () => {
  test('are listed newest first, with what is current and what came before', async () => {
    await update('busybox:2');
    await update('busybox:3');
    const answer = await site.ask('GET', '/shoal/v1/services/web/revisions');
    const revision = (number: number, image: string, rest: object): object => ({
      Number: number,
      Current: false,
      Previous: false,
      RunningTasks: 0,
      Spec: { TaskTemplate: { ContainerSpec: { Image: image } } },
      ...rest,
    });
    expect(answer).toMatchObject({
      status: 200,
      json: {
        Name: 'web',
        Revisions: [
          revision(3, 'busybox:3', { Current: true }),
          revision(2, 'busybox:2', { Previous: true }),
          revision(1, 'busybox:1', {}),
        ],
      },
    });
  });

  test('of no service', async () => {
    const answer = await site.ask('GET', '/shoal/v1/services/nothing/revisions');
    expect(answer).toMatchObject({ status: 404, json: { message: 'service nothing not found' } });
  });
});

describe('a rollback', () => {
  test('goes to the revision that is named, and back again without one', async () => {
    const { ID } = await read();
    await update('busybox:2');
    await update('busybox:3');
    const answer = await site.ask('POST', '/shoal/v1/services/web/rollback?to=1');
    expect(answer).toMatchObject({ status: 200, json: { ID, From: 3, To: 1 } });
    expect(await imageOf()).toBe('busybox:1');
    expect((await read()).UpdateStatus).toMatchObject({
      State: 'rollback_started',
      Message: 'manually requested rollback',
    });
    await site.ask('POST', '/shoal/v1/services/web/rollback');
    expect(await imageOf()).toBe('busybox:3');
  });

  test.each([
    ['?to=9', 404, 'service web has no revision 9; kept are 2, 1'],
    ['?to=2', 400, 'service web is at revision 2 already'],
    ['?to=0', 400, 'invalid revision "0": must be a whole number from 1'],
    ['?to=-1', 400, 'invalid revision "-1": must be a whole number from 1'],
    ['?to=x', 400, 'invalid revision "x": must be a whole number from 1'],
  ])('%s is refused', async (query, status, message) => {
    await update('busybox:2');
    const answer = await site.ask('POST', `/shoal/v1/services/web/rollback${query}`);
    expect(answer).toMatchObject({ status, json: { message } });
  });

  test('of a service that was never updated is refused in words of Docker', async () => {
    const { ID } = await read();
    const answer = await site.ask('POST', '/shoal/v1/services/web/rollback');
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(ID);
  });
});

test('a malformed drain label of a node is refused in one sentence', async () => {
  const [node] = (await site.ask('GET', '/nodes')).json as {
    readonly ID: string;
    readonly Version: { readonly Index: number };
    readonly Spec: object;
  }[];
  if (node === undefined) throw new Error('no node');
  const Labels = { 'shoal.drain.parallelism': 'all' };
  const path = `/nodes/${node.ID}/update?version=${node.Version.Index}`;
  const answer = await site.ask('POST', path, { ...node.Spec, Labels });
  expect(answer.status).toBe(400);
  expect(answer.text).toContain(
    'label shoal.drain.parallelism=\\"all\\" is invalid: must be a whole number from 1 to 10000',
  );
});
