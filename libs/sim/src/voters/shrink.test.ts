import { expect, test } from 'vitest';
import { planOf } from './plan.ts';
import { shrink } from './shrink.ts';

test('what is left of a failing plan is what it takes to fail', async () => {
  const plan = planOf(1, 3, 60_000);
  const needed = [plan.steps[3], plan.steps[17]];
  const small = await shrink(plan, async ({ steps }) =>
    needed.every((step) => step !== undefined && steps.includes(step)),
  );
  expect(small.steps).toEqual(needed);
});

test('a plan that fails for no step of its own loses all of them', async () => {
  const small = await shrink(planOf(2, 3, 20_000), async () => true);
  expect(small.steps).toEqual([]);
});
