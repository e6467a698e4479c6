import type { ServiceScaling } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;

interface Read {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Mode: { readonly Replicated: { readonly Replicas: number } } };
  readonly ServiceStatus?: { readonly DesiredTasks: number };
}

const byLoad = {
  'shoal.autoscale.min': '2',
  'shoal.autoscale.max': '10',
  'shoal.autoscale.cpu': '0.5',
};

function specOf(Replicas: number, Labels: Record<string, string> = byLoad): object {
  return {
    ...{ Name: 'web', Labels, Mode: { Replicated: { Replicas } } },
    TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
  };
}

beforeEach(async () => {
  site = new FakeSite();
  await site.start();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377', Spec: { Labels: null } });
  await site.ask('POST', '/services/create', specOf(2));
});
afterEach(() => site.close());

function service() {
  const found = site.host.log.view.services.byName('web');
  if (found === undefined) throw new Error('no service');
  return found;
}

function scaleTo(replicas: number, fewer?: ServiceScaling['fewer']): void {
  const reason = 'tasks use 1 processor each, of 0.5 processors to aim at';
  const scaling = { replicas, changedAt: 0 as never, reason, fewer };
  site.host.log.write([{ op: 'update', table: 'service', object: { ...service(), scaling } }]);
}

async function read(): Promise<Read> {
  return (await site.ask('GET', '/services/web')).json as Read;
}

async function update(spec: object, query = ''): Promise<unknown> {
  const { Version } = await read();
  const path = `/services/web/update?version=${Version.Index}${query}`;
  const { status, json } = await site.ask('POST', path, spec);
  expect(status).toBe(200);
  return (json as { readonly Warnings: unknown }).Warnings;
}

const shown = async (): Promise<number> => (await read()).Spec.Mode.Replicated.Replicas;
const asked = (): unknown =>
  site.host.log.view.revisions.of(service().id, service().revision)?.spec.Mode;

describe('a service that is scaled by load', () => {
  test('is shown with the tasks that it is to have, in every answer', async () => {
    scaleTo(6);
    expect(await shown()).toBe(6);
    const [listed] = (await site.ask('GET', '/services?status=true')).json as readonly Read[];
    expect(listed?.Spec.Mode.Replicated.Replicas).toBe(6);
    expect(listed?.ServiceStatus?.DesiredTasks).toBe(6);
    expect(asked()).toEqual({ Replicated: { Replicas: 2 } });
  });

  test('keeps them when a client sends back what it read with something else', async () => {
    scaleTo(6);
    expect(await update({ ...specOf(6), Labels: { ...byLoad, tier: 'front' } })).toBeNull();
    expect(await shown()).toBe(6);
    expect(asked()).toEqual({ Replicated: { Replicas: 2 } });
    expect(await update(specOf(2), '&rollback=previous')).toBeDefined();
    expect(await shown()).toBe(6);
  });

  test('keeps them when its file is deployed again, and says so', async () => {
    scaleTo(6);
    expect(await update(specOf(2))).toEqual([
      'service web is to have 6 tasks, not 2: it is scaled by load (label shoal.autoscale.max)',
    ]);
    expect(await shown()).toBe(6);
  });

  test('goes on from another number that somebody asks for, within its bounds', async () => {
    scaleTo(6);
    expect(await update(specOf(4))).toBeNull();
    expect(await shown()).toBe(4);
    expect(service().scaling).toBeUndefined();
    expect(await update(specOf(40))).toEqual([expect.stringContaining('10 tasks, not 40')]);
    expect(await shown()).toBe(10);
    expect(await update(specOf(0))).toBeNull();
    expect(await shown()).toBe(0);
  });

  test('stays with what a client says when it is scaled by load no longer', async () => {
    scaleTo(6);
    expect(await update(specOf(6, {}))).toBeNull();
    expect(await shown()).toBe(6);
    expect(asked()).toEqual({ Replicated: { Replicas: 6 } });
    expect(service().scaling).toBeUndefined();
  });

  test('stays as it is when the load is only told of from then on, and the other way round', async () => {
    scaleTo(6);
    const advising = { ...byLoad, 'shoal.autoscale.mode': 'advise' };
    expect(await update(specOf(6, advising))).toBeNull();
    expect(await shown()).toBe(6);
    scaleTo(3);
    expect(await update(specOf(6, { ...advising, tier: 'front' }))).toBeNull();
    expect(service().scaling?.replicas).toBe(3);
    expect(await update(specOf(6))).toBeNull();
    expect(await shown()).toBe(6);
  });

  test('is refused when its labels cannot be read, and changes nothing', async () => {
    const { Version } = await read();
    const path = `/services/web/update?version=${Version.Index}`;
    const labels = { ...byLoad, 'shoal.autoscale.cpu': 'much' };
    const answer = await site.ask('POST', path, specOf(2, labels));
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('label shoal.autoscale.cpu=\\"much\\" is invalid');
    expect(service().revision).toBe(1);
  });

  test('is explained: how many, why, and what comes next', async () => {
    const text = async (): Promise<unknown> => {
      const { json } = await site.ask('GET', '/shoal/v1/services/web/explain');
      return (json as { readonly service: { readonly scaling: string } }).service.scaling;
    };
    expect(await text()).toBe(
      '2 tasks by load, of 2 to 10: its load has asked for no other number yet',
    );
    scaleTo(6, { since: 60_000 as never, most: 3 });
    expect(await text()).toBe(
      '6 tasks by load, of 2 to 10: tasks use 1 processor each, of 0.5 processors to aim at; no more than 3 have been needed since 1970-01-01T00:01:00.000Z, and if that stays so there are fewer from 1970-01-01T00:06:00.000Z',
    );
    await update(specOf(6, { ...byLoad, 'shoal.autoscale.mode': 'advise' }));
    scaleTo(3);
    expect(await text()).toMatch(/^6 tasks as asked for; by load it would have 3, of 2 to 10: /);
    await update(specOf(2, {}));
    expect(await text()).toBe('');
  });

  test('has gauges of how many and of the most', async () => {
    scaleTo(6);
    const { json, text } = await site.ask('GET', '/shoal/v1/status');
    expect(json).toMatchObject({ services: { scaled: [{ name: 'web', replicas: 6, max: 10 }] } });
    expect(text).toContain('by load');
    const metrics = (await site.ask('GET', '/shoal/v1/metrics')).text;
    expect(metrics).toContain('shoal_cluster_service_replicas{service="web"} 6');
    expect(metrics).toContain('shoal_cluster_service_replicas_max{service="web"} 10');
  });
});
