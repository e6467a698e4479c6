import { rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { errorMessage } from '@shoal/runtime';
import { z } from 'zod';
import { hostConfig } from '../host/config.ts';

/** Requests and answers are one JSON line each. */
const request = z.object({ command: z.enum(['status', 'stop']) });
export type ControlRequest = z.output<typeof request>;

const childStatus = z.object({
  process: z.string(),
  state: z.enum(['idle', 'starting', 'running', 'waiting', 'stopping', 'stopped']),
  pid: z.number().nullable(),
  restarts: z.number(),
  uptimeMs: z.number(),
  lastExit: z.string(),
  /** A supervisor that does not say is of another build itself. */
  build: z.string().default(''),
});

const answer = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('status'),
    pid: z.number(),
    /** What the supervisor itself was started from. */
    build: z.string().default(''),
    config: hostConfig,
    processes: z.array(childStatus),
  }),
  /** Everything has ended; the supervisor ends too. */
  z.object({ kind: z.literal('stopped') }),
  z.object({ kind: z.literal('error'), message: z.string() }),
]);
export type ControlAnswer = z.output<typeof answer>;
export type SupervisorStatus = Extract<ControlAnswer, { kind: 'status' }>;

/** A supervisor says at once how it is, unless it is stopped or stuck. */
const statusMsMax = 3_000;
/** Longest request line taken. */
const requestBytesMax = 4_096;

/**
 * Serves the supervisor's socket. The file's mode is the authentication: only its owner may connect.
 * @throws the listen error.
 */
export async function serveControl(
  path: string,
  handle: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<Server> {
  // Whoever listened before is gone: the caller holds the pid file.
  rmSync(path, { force: true });
  // A client may end its side before it is answered.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    void serveOne(socket, handle);
  });
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
  } finally {
    process.umask(mask);
  }
  return server;
}

async function serveOne(
  socket: Socket,
  handle: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<void> {
  const reply = (value: ControlAnswer): void => void socket.end(`${JSON.stringify(value)}\n`);
  try {
    const parsed = request.safeParse(JSON.parse(await readLine(socket)));
    reply(
      parsed.success
        ? await handle(parsed.data)
        : { kind: 'error', message: 'commands are status and stop' },
    );
  } catch (error) {
    reply({ kind: 'error', message: errorMessage(error) });
  }
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > requestBytesMax) reject(new Error('the request is too long'));
    });
    socket.on('end', () => reject(new Error('the request has no end')));
  });
}

/**
 * Asks a supervisor; undefined when none listens, `silent` when one does and does not say how it is, or not in words
 * that this build knows. A stop takes as long as it takes.
 */
export function askSupervisor(
  path: string,
  asked: ControlRequest,
  patienceMs = statusMsMax,
): Promise<ControlAnswer | { readonly kind: 'silent' } | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    if (asked.command === 'status') {
      socket.setTimeout(patienceMs, () => {
        resolve({ kind: 'silent' });
        socket.destroy();
      });
    }
    socket.on('error', (error) => {
      // Its queue is full: it listens, and takes nobody in.
      const isFull = 'code' in error && error.code === 'EAGAIN';
      resolve(isFull ? { kind: 'silent' } : undefined);
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(asked)}\n`));
    createInterface({ input: socket })
      .on('line', (line) => resolve(answerIn(line) ?? { kind: 'silent' }))
      // The supervisor died before it answered.
      .on('close', () => resolve(undefined))
      .on('error', () => resolve(undefined));
  });
}

/** Undefined for what is none: a supervisor of another build may say other things. */
function answerIn(line: string): ControlAnswer | undefined {
  try {
    return answer.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
