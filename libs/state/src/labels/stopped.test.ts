import { expect, test } from 'vitest';
import type { ServiceMode } from '../spec.ts';
import { checkStoppedLabel, isStopped, replicasOf } from './stopped.ts';

const replicated: ServiceMode = { Replicated: { Replicas: 3 } };
const job: ServiceMode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } };

test.each<[ServiceMode, Record<string, string>, number | undefined, string | undefined]>([
  [replicated, {}, 3, undefined],
  [replicated, { 'shoal.stopped': 'false' }, 3, undefined],
  [replicated, { 'shoal.stopped': 'true' }, 0, undefined],
  [replicated, { 'shoal.stopped': 'yes' }, 3, 'must be true or false'],
  [{ Global: {} }, { 'shoal.stopped': 'true' }, undefined, undefined],
  [job, { 'shoal.stopped': 'true' }, undefined, 'this job ends by itself'],
  [job, { 'shoal.stopped': 'true', 'shoal.cron': '@daily' }, undefined, undefined],
])('%j with %j', (Mode, Labels, replicas, fault) => {
  expect(replicasOf({ Mode, Labels })).toBe(replicas);
  expect(isStopped(Labels)).toBe(Labels['shoal.stopped'] === 'true');
  const found = checkStoppedLabel({ Mode, Labels });
  if (fault === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(fault);
});
