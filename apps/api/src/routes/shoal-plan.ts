import { ApiError, invalidArgument, resolveNode, resolveService } from '@shoal/docker-api';
import type { StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { jsonBody, sendJson } from '../http/exchange.ts';
import type { Hypothesis } from '../plan/hypothesis.ts';
import { planOf } from '../plan/plan.ts';
import { inSlices } from '../plan/slices.ts';
import { SurvivabilityKeeper } from '../plan/survivability-keeper.ts';

/** Plans made at the same time; each holds a copy of the state's indices. */
const plansMax = 2;
const replicasMax = 1_000_000;

const name = z.string().min(1).max(256);
const request = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('drain'), node: name }),
  z.strictObject({ kind: z.literal('lose'), node: name }),
  z.strictObject({
    kind: z.literal('scale'),
    service: name,
    replicas: z.int().min(0).max(replicasMax),
  }),
  z.strictObject({ kind: z.literal('rebalance') }),
]);

/** What would happen if: played through on a fork of this manager's state. */
export function shoalPlanRoutes(app: FastifyInstance, context: ApiContext): void {
  const { clock } = context;
  let plans = 0;
  app.post('/shoal/v1/plan', async (asked, reply) => {
    const parsed = request.safeParse(jsonBody(asked));
    if (!parsed.success) throw invalidArgument(faultOf(parsed.error));
    const { view } = (await managerToRead(context, reply)).replica;
    const hypothesis = named(view, parsed.data);
    if (plans >= plansMax) throw new ApiError(503, 'other plans are being made: try again soon');
    plans += 1;
    try {
      const planned = await inSlices(planOf(view, hypothesis, clock.now()), clock);
      if (planned.kind === 'refused') throw invalidArgument(planned.reason);
      return sendJson(reply, 200, planned.plan);
    } finally {
      plans -= 1;
    }
  });
  const keeper = new SurvivabilityKeeper(clock, context.logger);
  app.get('/shoal/v1/survivability', async (_asked, reply) => {
    const { replica } = await managerToRead(context, reply);
    const answer = await keeper.answer(replica);
    if (answer === undefined)
      throw new ApiError(503, 'the first answer is still being computed: ask again in a moment');
    return sendJson(reply, 200, answer);
  });
  app.addHook('onClose', async () => keeper.stop());
}

/** The same with ids for what people call by name. @throws ApiError */
function named(view: StateView, hypothesis: Hypothesis): Hypothesis {
  switch (hypothesis.kind) {
    case 'drain':
    case 'lose':
      return { ...hypothesis, node: resolveNode(view, hypothesis.node).id };
    case 'scale':
      return { ...hypothesis, service: resolveService(view, hypothesis.service).id };
    case 'rebalance':
      return hypothesis;
  }
}

function faultOf({ issues: [issue] }: z.ZodError): string {
  const where = issue?.path.join('.') ?? '';
  return `a plan cannot be made of this${where === '' ? '' : ` (${where})`}: ${issue?.message ?? ''}`;
}
