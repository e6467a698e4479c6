import type { Proposal, ProposeOpening, ProposeRequest } from '@shoal/proto';
import type { Clock } from '@shoal/runtime';
import { decodeTransaction } from '@shoal/state';
import type { ServedProposals } from '../wire/protocol.ts';
import { type Batcher, type Checked, failure } from './batcher.ts';
import { Cadence } from './cadence.ts';
import type { LeaderRoute } from './leader-route.ts';
import { type Answer, responseOf } from './propose-answer.ts';
import { forwardedMax, type ProposeForward } from './propose-forward.ts';
import type { ServedLog } from './served-log.ts';

/** Requests of one stream without an answer; more are answered `busy`. */
const unansweredMax = 1_024;
/** Who follows the log hears together, under load, what was committed within so many milliseconds. */
const committedEveryMs = 5;

/** Where proposals and questions go. Without a route this voter is the only one. */
export interface ProposeTargets {
  readonly log: ServedLog;
  readonly batcher: Batcher;
  readonly route?: LeaderRoute | undefined;
  readonly forward?: ProposeForward | undefined;
  /** A proposal that another voter passed on was answered. */
  readonly forwardedAnswered?: (() => void) | undefined;
  /** A client of this voter writes or asks. */
  readonly asked?: (() => void) | undefined;
  readonly clock: Clock;
}

/** Serves one stream of proposals and read-index questions. */
export function servePropose(
  stream: ServedProposals,
  { forwarded, follows }: ProposeOpening,
  targets: ProposeTargets,
): void {
  const mayWait = forwarded ? forwardedMax : unansweredMax;
  let unanswered = 0;
  let open = true;
  const answer = (requestId: number, result: Answer): void => {
    if (!open) return;
    const response = responseOf(requestId, result);
    // A client that does not read its answers is not read from either.
    if (!stream.write(response)) stream.pause();
    if (forwarded) targets.forwardedAnswered?.();
  };
  // To wake somebody for it costs a twentieth of what a service's creation does, and a follower knows already.
  const committed: (() => void)[] = [];
  const tellCommitted = new Cadence(
    targets.clock,
    () => committedEveryMs,
    () => {
      for (const tell of committed.splice(0)) tell();
    },
  );
  stream.on('drain', () => stream.resume());
  stream.on('data', (request) => {
    const { requestId, body } = request;
    if (!forwarded) targets.asked?.();
    if (unanswered >= mayWait)
      return answer(requestId, failure('busy', 'too many requests of this stream wait'));
    unanswered += 1;
    void handle(body, targets, forwarded).then((result) => {
      unanswered -= 1;
      if (!follows || body?.$case !== 'proposal' || 'code' in result)
        return answer(requestId, result);
      committed.push(() => answer(requestId, result));
      tellCommitted.ask();
    });
  });
  const close = (): void => {
    open = false;
    tellCommitted.stop();
  };
  stream.on('cancelled', close);
  stream.on('end', () => {
    close();
    stream.end();
  });
}

async function handle(
  body: ProposeRequest['body'],
  targets: ProposeTargets,
  forwarded: boolean,
): Promise<Answer> {
  switch (body?.$case) {
    case 'proposal':
      return forwarded || targets.forward === undefined || targets.route?.current.kind === 'here'
        ? proposeHere(body.value, targets.batcher)
        : targets.forward.submit(body.value);
    case 'readIndex':
      return readIndex(targets, forwarded);
    case undefined:
      return failure('malformed', 'a request without a body');
  }
}

/** The log itself asks its leader; while there is none, the question waits a little. */
async function readIndex({ log, route }: ProposeTargets, forwarded: boolean): Promise<Answer> {
  const first = await log.readIndex();
  if (first.kind !== 'failed' || first.code !== 'no-leader' || forwarded) return first;
  if (route === undefined) return first;
  const found = await route.find();
  return found.kind === 'failed' ? found : log.readIndex();
}

/** Checks every transaction before any of them is logged. */
export async function proposeHere(proposal: Proposal, batcher: Batcher): Promise<Answer> {
  if (proposal.transactions.length === 0)
    return failure('malformed', 'a proposal without a transaction');
  const checked: Checked[] = [];
  for (const [at, bytes] of proposal.transactions.entries()) {
    const decoded = decodeTransaction(bytes);
    if (decoded.kind === 'malformed')
      return failure('malformed', `transaction ${at}: ${decoded.message}`);
    checked.push({ bytes, transaction: decoded.transaction });
  }
  return batcher.submit(checked);
}
