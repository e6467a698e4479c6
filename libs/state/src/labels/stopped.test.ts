import { expect, test } from 'vitest';
import type { ServiceMode } from '../spec.ts';
import { checkStoppedLabel, isStopped } from './stopped.ts';

const replicated: ServiceMode = { Replicated: { Replicas: 3 } };
const job: ServiceMode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } };

test.each<[ServiceMode, Record<string, string>, string | undefined]>([
  [replicated, {}, undefined],
  [replicated, { 'shoal.stopped': 'false' }, undefined],
  [replicated, { 'shoal.stopped': 'true' }, undefined],
  [replicated, { 'shoal.stopped': 'yes' }, 'must be true or false'],
  [{ Global: {} }, { 'shoal.stopped': 'true' }, undefined],
  [job, { 'shoal.stopped': 'true' }, 'this job ends by itself'],
  [job, { 'shoal.stopped': 'true', 'shoal.cron': '@daily' }, undefined],
])('%j with %j', (Mode, Labels, fault) => {
  expect(isStopped(Labels)).toBe(Labels['shoal.stopped'] === 'true');
  const found = checkStoppedLabel({ Mode, Labels });
  if (fault === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(fault);
});
