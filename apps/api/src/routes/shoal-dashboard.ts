import { ApiError } from '@shoal/docker-api';
import type { Clock } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import { queryOf } from '../http/exchange.ts';
import { changes, changesQuery, dashboardKey } from '../openapi/answers/dashboard.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';

/** How long a question for changes waits, milliseconds; then it is asked again. */
const changesMsMax = 25_000;
/** Questions that wait at the same time. */
const waitingMax = 1_000;

const invited = answering({
  summary: 'Makes a key that opens the dashboard of this host once',
  answer: { name: 'DashboardKey', schema: dashboardKey },
});
const changed = answering({
  summary: 'Waits until the state has changed since a position in the log, half a minute at most',
  query: changesQuery,
  answer: { name: 'Changes', schema: changes },
});

/** What the dashboard needs beside what others ask as well: a way in, and word of changes. */
export function shoalDashboardRoutes(app: FastifyInstance, context: ApiContext): void {
  const { clock, logger, dashboard } = context;
  app.post('/shoal/v1/dashboard/keys', { config: { operation: invited } }, (request, reply) => {
    const invitation = dashboard?.invite() ?? {
      kind: 'silent',
      message: 'this api has no dashboard',
    };
    if (invitation.kind === 'silent') throw new ApiError(503, invitation.message);
    const { client } = callerOf(request, 'shoal dashboard');
    logger.info({ client }, 'dashboard_key_made');
    const { address: Address, key: Key, holdsMs } = invitation;
    return sendAnswer(reply, invited, { Address, Key, HoldsSeconds: holdsMs / 1_000 });
  });
  let waiting = 0;
  app.get('/shoal/v1/changes', { config: { operation: changed } }, async (request, reply) => {
    const parsed = changesQuery.safeParse(queryOf(request));
    if (!parsed.success)
      throw new ApiError(
        400,
        `after is a position in the log, a whole number, not ${queryOf(request)['after']}`,
      );
    const { replica } = await managerToRead(context, reply);
    const { after } = parsed.data;
    if (after !== undefined) {
      if (waiting >= waitingMax) throw new ApiError(503, 'too many clients wait for changes');
      waiting += 1;
      try {
        await changeAfter(replica, Number(after), clock, (gone) => reply.raw.once('close', gone));
      } finally {
        waiting -= 1;
      }
    }
    return sendAnswer(reply, changed, { logIndex: replica.view.index });
  });
}

/** Resolves when the state has changed since, when nobody waits any more, or when it takes too long. */
function changeAfter(
  replica: Replica,
  after: number,
  clock: Pick<Clock, 'after'>,
  onGone: (gone: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    if (replica.view.index > after) {
      resolve();
      return;
    }
    const done = (): void => {
      unsubscribe();
      timer.cancel();
      resolve();
    };
    const timer = clock.after(changesMsMax, done);
    const unsubscribe = replica.subscribe((event) => {
      if (event.kind === 'reset' || event.entry.changes.length > 0) done();
    });
    onGone(done);
  });
}
