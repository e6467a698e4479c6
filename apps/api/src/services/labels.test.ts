import { ApiError } from '@shoal/docker-api';
import { State } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { checkClusterLabels, checkLabels } from './labels.ts';

const { view } = new State();

function refusal(Labels: Record<string, string>): ApiError | undefined {
  const spec = {
    Name: 'web',
    Labels,
    TaskTemplate: { ContainerSpec: { Image: 'nginx' }, ForceUpdate: 0 },
    Mode: { Replicated: { Replicas: 1 } },
  };
  try {
    checkLabels(view, spec);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

describe('labels of services', () => {
  it.each([
    ['shoal.rank', 'best', 'must be spread, free or binpack'],
    ['shoal.priority', 'high', 'must be a whole number from -1000 to 1000'],
    ['shoal.image-locality', 'on', 'must be true or false'],
    ['shoal.volume-sticky', 'no', 'must be true or false'],
    ['shoal.affinity', 'a b', 'must be up to 32 service names'],
    ['shoal.anti-affinity', 'db:always', 'must be up to 32 service names'],
    ['shoal.depends-on', 'db:ready', 'must be up to 32 service names'],
    ['shoal.depends-on.recheck', 'yes', 'must be true or false'],
    ['shoal.drain.order', 'first', 'must be start-first or stop-first'],
    ['shoal.ingress.source-ip', 'hide', 'must be keep, masquerade or proxy-protocol'],
    ['shoal.balance', 'fair', 'must be rr, lc or sh'],
    ['shoal.restart.backoff', 'never', 'must be off or a duration'],
    ['shoal.cron', 'sometimes', 'must be minute hour day month weekday'],
  ])('%s=%s is refused with what is allowed', (name, value, allowed) => {
    const error = refusal({ [name]: value });
    expect(error?.status).toBe(400);
    expect(error?.message).toContain(`label ${name}="${value}" is invalid: `);
    expect(error?.message).toContain(allowed);
  });

  it('that close a circle are refused', () => {
    expect(refusal({ 'shoal.depends-on': 'web' })).toMatchObject({
      status: 400,
      message: expect.stringContaining('web → web'),
    });
  });

  it('that are well formed, or of others, are fine', () => {
    const labels = {
      'shoal.rank': 'free',
      'shoal.priority': '-5',
      'shoal.depends-on': 'db:healthy,migrate:completed,cache',
      'shoal.anti-affinity': 'self:hard',
      'com.example.rank': 'best',
    };
    expect(refusal(labels)).toBeUndefined();
  });
});

describe('labels of the swarm', () => {
  it('are refused like those of services', () => {
    expect(() => checkClusterLabels({ 'shoal.rank': 'best' })).toThrow(
      'label shoal.rank="best" is invalid: must be spread, free or binpack',
    );
    expect(() => checkClusterLabels({ 'shoal.rank': 'free', other: 'x' })).not.toThrow();
  });
});
