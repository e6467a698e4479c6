import { ApiError, resolveNode, resolveService } from '@shoal/docker-api';
import type { StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { jsonBody } from '../http/exchange.ts';
import { hypothesis, plan, survivability } from '../openapi/answers/plan.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';
import type { Hypothesis } from '../plan/hypothesis.ts';
import { planOf } from '../plan/plan.ts';
import { inSlices, whileWanted } from '../plan/slices.ts';
import { SurvivabilityKeeper } from '../plan/survivability-keeper.ts';

/** Plans made at the same time; each holds a copy of the state's indices. */
const plansMax = 2;

const planned = answering({
  summary: 'What would happen if; nothing is changed',
  body: { name: 'Hypothesis', schema: hypothesis },
  answer: { name: 'Plan', schema: plan },
});
const survived = answering({
  summary: 'What the loss of each node would cost now',
  answer: { name: 'Survivability', schema: survivability },
});

/** What would happen if: played through on a fork of this manager's state. */
export function shoalPlanRoutes(app: FastifyInstance, context: ApiContext): void {
  const { clock } = context;
  let plans = 0;
  app.post('/shoal/v1/plan', { config: { operation: planned } }, async (asked, reply) => {
    const parsed = hypothesis.safeParse(jsonBody(asked));
    if (!parsed.success) throw new ApiError(400, faultOf(parsed.error));
    const { view } = (await managerToRead(context, reply)).replica;
    const supposed = named(view, parsed.data);
    if (plans >= plansMax) throw new ApiError(503, 'other plans are being made: try again soon');
    plans += 1;
    try {
      const work = planOf(view, supposed, clock.now());
      const made = await inSlices(
        // Who ends its writing has left, as far as can be told.
        whileWanted(work, () => !reply.raw.destroyed && !asked.raw.socket.readableEnded),
        clock,
      );
      if (made === undefined) {
        // Nobody reads an answer, and without one a half-open connection would stay.
        reply.hijack();
        reply.raw.destroy();
        return reply;
      }
      if (made.kind === 'refused') throw new ApiError(400, made.reason);
      return sendAnswer(reply, planned, made.plan);
    } finally {
      plans -= 1;
    }
  });
  const keeper = new SurvivabilityKeeper(clock, context.logger);
  app.get('/shoal/v1/survivability', { config: { operation: survived } }, async (_asked, reply) => {
    const { replica } = await managerToRead(context, reply);
    const answer = await keeper.answer(replica);
    if (answer === undefined)
      throw new ApiError(503, 'the first answer is still being computed: ask again in a moment');
    return sendAnswer(reply, survived, answer);
  });
  app.addHook('onClose', async () => keeper.stop());
}

/** The hypothesis with ids for what people call by name. @throws ApiError */
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
