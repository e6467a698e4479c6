import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Proposal, ProposeRequest, ProposeResponse } from '@shoal/proto';
import { decodeTransaction } from '@shoal/state';
import { type Batcher, type Checked, failure } from './batcher.ts';
import { isForwarded, type LeaderRoute } from './leader-route.ts';
import { type Answer, responseOf } from './propose-answer.ts';
import { forwardedMax, type ProposeForward } from './propose-forward.ts';
import type { ServedLog } from './served-log.ts';

/** Requests of one stream without an answer; more are answered `busy`. */
export const unansweredMax = 1_024;

/** Where proposals and questions go. Without a route this voter is the only one. */
export interface ProposeTargets {
  readonly log: ServedLog;
  readonly batcher: Batcher;
  readonly route?: LeaderRoute | undefined;
  readonly forward?: ProposeForward | undefined;
}

/** Serves one stream of proposals and read-index questions. */
export function servePropose(
  call: ServerDuplexStream<ProposeRequest, ProposeResponse>,
  targets: ProposeTargets,
): void {
  const forwarded = isForwarded(call);
  const mayWait = forwarded ? forwardedMax : unansweredMax;
  let unanswered = 0;
  let open = true;
  const answer = (requestId: number, result: Answer): void => {
    if (!open) return;
    const response = responseOf(requestId, result);
    // A client that does not read its answers is not read from either.
    if (!call.write(response)) call.pause();
  };
  call.on('drain', () => call.resume());
  call.on('data', (request: ProposeRequest) => {
    const { requestId, body } = request;
    if (unanswered >= mayWait)
      return answer(requestId, failure('busy', 'too many requests of this stream wait'));
    unanswered += 1;
    void handle(body, targets, forwarded).then((result) => {
      unanswered -= 1;
      answer(requestId, result);
    });
  });
  const close = (): void => {
    open = false;
  };
  call.on('error', close);
  call.on('cancelled', close);
  call.on('end', () => {
    close();
    call.end();
  });
  // One who passes proposals on sends nothing before it knows that they arrive.
  if (forwarded) call.sendMetadata(new Metadata());
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
