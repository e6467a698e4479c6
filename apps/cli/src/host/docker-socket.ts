import { request } from 'node:http';
import { z } from 'zod';
import { CommandError } from '../terminal.ts';

/** How long an answer of this host's api may take. */
export interface Wait {
  readonly ms: number;
  /** A sentence for people, of an api that may well be at work; absent where none is that slow. */
  readonly tooLong?: string;
}

const shortWait: Wait = { ms: 30_000 };
/** Largest answer that is read, bytes. */
const answerBytesMax = 64 * 1024 * 1024;

const refusal = z.object({ message: z.string() });

/** The api answered, and said no. */
export class RefusedByApi extends CommandError {
  /** Of HTTP. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Asks this host's api through its Docker socket, for what Docker's own API cannot say.
 * @throws CommandError when it does not answer; RefusedByApi when it refuses.
 */
export async function askApi(
  socketPath: string,
  method: string,
  path: string,
  request?: unknown,
  wait = shortWait,
): Promise<unknown> {
  const { status, text } = await call({ socketPath, method, path }, request, wait);
  const body = parse(text);
  if (status < 300) return body;
  const told = refusal.safeParse(body);
  throw new RefusedByApi(
    status,
    told.success ? told.data.message : `the api answered ${status} to ${path}`,
  );
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Target {
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
}

function call(target: Target, body: unknown, { ms, tooLong }: Wait): Promise<Answer> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const away = (why: string): string =>
      `no api answers at ${target.socketPath} (${why}); is this host up?`;
    const failed = ({ message }: Error): void => reject(new CommandError(away(message)));
    const options = { ...target, headers, timeout: ms };
    const asked = request(options, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > answerBytesMax) asked.destroy(new Error('the answer is too large'));
        else parts.push(part);
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
      );
      response.on('error', failed);
    });
    asked.on('timeout', () => {
      reject(new CommandError(tooLong ?? away('no answer in time')));
      asked.destroy();
    });
    asked.on('error', failed);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
