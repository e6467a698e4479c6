import { type ChildProcess, spawn } from 'node:child_process';
import { errorMessage } from '@shoal/runtime';

/** Longest time a tool of the kernel may take, milliseconds. */
export const commandMsMax = 20_000;
/** Tools that run at once; more only wait for each other's locks. */
const commandsAtOnceMax = 8;
/** Output kept of one tool, bytes. */
const outputBytesMax = 64 * 1024 * 1024;

/** Where root's tools lie, also where the environment's path does not say so. */
const toolPath = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** Standard input. */
  readonly input?: string | undefined;
  /** Path of the network namespace it runs in; absent: our own. */
  readonly namespace?: string | undefined;
}

export type CommandOutcome =
  | { readonly kind: 'done'; readonly stdout: string }
  | {
      readonly kind: 'failed';
      /** One line: the tool and what it said. */
      readonly message: string;
      readonly stderr: string;
      readonly stdout: string;
    };

/** Runs tools of the kernel. */
export interface KernelCommands {
  run(command: Command): Promise<CommandOutcome>;
}

/**
 * The real one: processes, through `nsenter` where a namespace is named.
 * @param timeoutMs after which a tool is ended; emulated machines need more.
 */
export function kernelCommands(timeoutMs = commandMsMax): KernelCommands {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(command) {
      if (running >= commandsAtOnceMax) await new Promise<void>((go) => waiting.push(go));
      running += 1;
      try {
        return await execute(command, timeoutMs);
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
  };
}

/** What tools run with: they are found, and their words can be read. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  const path = `${process.env['PATH'] ?? ''}:${toolPath}`;
  return { ...process.env, PATH: path, LC_ALL: 'C' };
}

function execute(
  { program, args, input, namespace }: Command,
  timeoutMs: number,
): Promise<CommandOutcome> {
  const [file, words] =
    namespace === undefined
      ? [program, args]
      : ['nsenter', [`--net=${namespace}`, program, ...args]];
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(file, words, {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: toolEnvironment(),
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      });
    } catch (error) {
      // Without memory, for one: most errors come as events, these do not.
      const message = `${program}: ${errorMessage(error)}`;
      resolve({ kind: 'failed', message, stderr: '', stdout: '' });
      return;
    }
    // Without a file descriptor left it has no streams, and says so later.
    const output = { stdout: collect(child.stdout), stderr: collect(child.stderr) };
    const fail = (why: string): void => {
      const stderr = output.stderr();
      const said = stderr.trim().split('\n')[0] ?? '';
      const message = `${program}: ${said === '' ? why : said}`;
      resolve({ kind: 'failed', message, stderr, stdout: output.stdout() });
    };
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, signal) => {
      if (code === 0) resolve({ kind: 'done', stdout: output.stdout() });
      else fail(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
    // A tool that ends before it has read everything says why itself.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= outputBytesMax) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
