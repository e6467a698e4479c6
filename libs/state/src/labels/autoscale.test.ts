import { describe, expect, it } from 'vitest';
import type { ServiceMode } from '../spec.ts';
import { autoscaleOf, checkAutoscaleLabels } from './autoscale.ts';

const Mode: ServiceMode = { Replicated: { Replicas: 2 } };
const mebi = 2 ** 20;

interface Limits {
  readonly NanoCPUs?: number;
  readonly MemoryBytes?: number;
}

function specOf(labels: Record<string, string>, Limits: Limits = {}, mode = Mode) {
  const Labels = Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [`shoal.autoscale.${name}`, value]),
  );
  const TaskTemplate = {
    ...{ ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 },
    Resources: { Limits },
  };
  return { Mode: mode, Labels, TaskTemplate };
}

describe('scaling by load', () => {
  it('is off without its labels', () => {
    expect(autoscaleOf(specOf({}))).toBeUndefined();
    expect(checkAutoscaleLabels(specOf({}))).toBeUndefined();
  });

  it('goes down after five minutes, to one task, unless it is told otherwise', () => {
    expect(autoscaleOf(specOf({ max: '8', cpu: '70%' }))).toEqual({
      ...{ min: 1, max: 8, processors: 0.7, memoryBytes: undefined },
      ...{ downAfterMs: 300_000, advises: false },
    });
    const all = { min: '3', max: '100000', memory: '1.5g', 'down-after': '90s', mode: 'advise' };
    expect(autoscaleOf(specOf(all))).toEqual({
      ...{ min: 3, max: 100_000, processors: undefined, memoryBytes: 1_536 * mebi },
      ...{ downAfterMs: 90_000, advises: true },
    });
  });

  it.each<[string, Limits, number]>([
    ['70%', {}, 0.7],
    ['250%', {}, 2.5],
    ['0.7', {}, 0.7],
    ['4', {}, 4],
    ['70%', { NanoCPUs: 5e8 }, 0.35],
    ['0.5', { NanoCPUs: 5e8 }, 0.5],
  ])('aims at the processors that %s of %j are', (cpu, limits, processors) => {
    expect(autoscaleOf(specOf({ max: '2', cpu }, limits))?.processors).toBeCloseTo(processors);
  });

  it.each<[string, Limits, number]>([
    ['80%', { MemoryBytes: 100 * mebi }, 80 * mebi],
    ['400M', {}, 400 * mebi],
    ['64MiB', {}, 64 * mebi],
    ['64 mb', {}, 64 * mebi],
    ['4096', {}, 4_096],
    ['4096b', {}, 4_096],
  ])('aims at the memory that %s of %j is', (memory, limits, bytes) => {
    expect(autoscaleOf(specOf({ max: '2', memory }, limits))?.memoryBytes).toBe(bytes);
  });

  it.each<[Record<string, string>, Limits, string]>([
    [{ cpu: '70%' }, {}, 'label shoal.autoscale.cpu needs a label shoal.autoscale.max'],
    [{ max: '4' }, {}, 'needs a label shoal.autoscale.cpu or shoal.autoscale.memory'],
    [{ max: '0', cpu: '1' }, {}, 'max="0" is invalid: must be a whole number from 1 to 100000'],
    [{ max: '100001', cpu: '1' }, {}, 'must be a whole number from 1 to 100000'],
    [{ max: '4', min: '5', cpu: '1' }, {}, 'min="5" is invalid: must be a whole number from 1 to'],
    [{ max: '4', min: '0', cpu: '1' }, {}, 'min="0" is invalid'],
    [{ max: '4', cpu: 'half' }, {}, 'cpu="half" is invalid: must be a percentage such as 70%'],
    [{ max: '4', cpu: '0%' }, {}, 'must be more than 0'],
    [{ max: '4', cpu: '-1' }, {}, 'cpu="-1" is invalid'],
    [{ max: '4', cpu: '1' }, { NanoCPUs: 5e8 }, 'must be at most --limit-cpu, which is 0.5'],
    [{ max: '4', cpu: '101%' }, { NanoCPUs: 5e8 }, 'must be at most --limit-cpu'],
    [{ max: '4', memory: '80%' }, {}, 'no --limit-memory to be a percentage of'],
    [{ max: '4', memory: 'lots' }, {}, 'memory="lots" is invalid: must be a percentage of'],
    [{ max: '4', memory: `${'9'.repeat(15)}t` }, {}, 'is invalid'],
    [{ max: '4', memory: '2g' }, { MemoryBytes: mebi }, 'at most --limit-memory, which is 1048576'],
    [{ max: '4', cpu: '1', 'down-after': 'soon' }, {}, 'must be a duration of up to 24h'],
    [{ max: '4', cpu: '1', 'down-after': '25h' }, {}, 'must be a duration of up to 24h'],
    [{ max: '4', cpu: '1', mode: 'off' }, {}, 'mode="off" is invalid: must be on or advise'],
  ])('refuses %j with %j', (labels, limits, message) => {
    const spec = specOf(labels, limits);
    expect(checkAutoscaleLabels(spec)).toContain(message);
    expect(autoscaleOf(spec)).toBeUndefined();
  });

  it('is for replicated services without a schedule', () => {
    const labels = { max: '4', cpu: '1' };
    expect(checkAutoscaleLabels(specOf(labels, {}, { Global: {} }))).toBe(
      'label shoal.autoscale.max is for replicated services: this one has another mode',
    );
    const { Labels, ...rest } = specOf(labels);
    const times = { 'swarm.cronjob.enable': 'true', 'swarm.cronjob.schedule': '0 0 * * * *' };
    expect(checkAutoscaleLabels({ ...rest, Labels: { ...Labels, ...times } })).toContain(
      'does not go with a schedule',
    );
  });
});
