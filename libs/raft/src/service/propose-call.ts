import type { ServerDuplexStream } from '@grpc/grpc-js';
import {
  LogErrorCode,
  type Proposal,
  type ProposeRequest,
  type ProposeResponse,
} from '@shoal/proto';
import type { LogIndex } from '@shoal/runtime';
import { decodeTransaction } from '@shoal/state';
import { type Batcher, type Checked, failure } from './batcher.ts';
import type { LogFailure, ServedLog } from './served-log.ts';

/** Requests of one stream without an answer; more are answered `busy`. */
export const unansweredMax = 1_024;

type Answer = { readonly index: LogIndex } | LogFailure;

/** Serves one stream of proposals and read-index questions. */
export function servePropose(
  call: ServerDuplexStream<ProposeRequest, ProposeResponse>,
  log: ServedLog,
  batcher: Batcher,
): void {
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
    if (unanswered >= unansweredMax)
      return answer(requestId, failure('busy', 'too many requests of this stream wait'));
    unanswered += 1;
    void handle(body, log, batcher).then((result) => {
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
}

async function handle(
  body: ProposeRequest['body'],
  log: ServedLog,
  batcher: Batcher,
): Promise<Answer> {
  switch (body?.$case) {
    case 'proposal':
      return propose(body.value, batcher);
    case 'readIndex':
      return log.readIndex();
    case undefined:
      return failure('malformed', 'a request without a body');
  }
}

async function propose(proposal: Proposal, batcher: Batcher): Promise<Answer> {
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

const codes = {
  'no-leader': LogErrorCode.NO_LEADER,
  storage: LogErrorCode.STORAGE,
  'too-large': LogErrorCode.TOO_LARGE,
  malformed: LogErrorCode.MALFORMED,
  busy: LogErrorCode.BUSY,
  'unknown-outcome': LogErrorCode.UNKNOWN_OUTCOME,
} as const satisfies Record<LogFailure['code'], LogErrorCode>;

function responseOf(requestId: number, result: Answer): ProposeResponse {
  if ('index' in result) return { requestId, index: result.index, error: undefined };
  const error = { code: codes[result.code], message: result.message };
  return { requestId, index: 0, error };
}
