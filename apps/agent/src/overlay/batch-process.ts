import { type ChildProcess, spawn } from 'node:child_process';
import { toolEnvironment } from '@shoal/overlay/kernel';
import type { Clock, Timer } from '@shoal/runtime';

/** Longest time until all lines of a request are done, milliseconds. */
const requestMsMax = 10_000;
/** Longest wait until a process that was told to end has ended, milliseconds. */
const endMsMax = 1_000;
/** Most that a tool may say to one request, characters. */
const saidCharsMax = 1 << 16;
/** No tool knows this: what it says to it comes after all it has said to the lines before. */
const marker = 'shoal-end';
/** With the line's number, it ends what a tool says to a line that it refuses. */
const refusal = 'Command failed -:';

/** Tools that take lines: `-batch -`, and `-force` to try each of them. */
export type BatchTool = 'ip' | 'bridge';

/** `ended`: by itself or by somebody else; `hung`: it did not answer in time; `flooded`: it said too much. */
export type BatchLoss = 'ended' | 'hung' | 'flooded';

/** `done`: all lines; `refused`: some of them, all were tried; else nobody knows which were done. */
export type BatchOutcome = 'done' | 'refused' | BatchLoss;

interface Request {
  /** Number of its last line, the marker: the tool counts all that it was ever given. */
  readonly upTo: number;
  readonly resolve: (outcome: BatchOutcome) => void;
  readonly deadline: Timer;
}

/**
 * A tool in a network namespace that takes request after request: a process of its own for each would cost
 * more than the work. It keeps the namespace for as long as it lives, and ends with us: then its input ends.
 */
export class BatchProcess {
  readonly #clock: Clock;
  readonly #child: ChildProcess | undefined;
  readonly #exit: Promise<void>;
  #given = 0;
  #said = '';
  #request: Request | undefined;
  #lost: BatchLoss | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  /** `namespacePath` absent: our own. Not by `ip -n`, which also makes a mount namespace. */
  constructor(tool: BatchTool, namespacePath: string | undefined, clock: Clock) {
    this.#clock = clock;
    const child = begin(tool, namespacePath);
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      const over = (): void => {
        this.#lose('ended');
        resolve();
      };
      if (child === undefined) return over();
      child.once('error', over);
      child.once('close', over);
    });
    // Without a file descriptor left it has no streams, and says so later.
    child?.stdin?.on('error', () => undefined);
    child?.stderr?.setEncoding('utf8');
    child?.stderr?.on('data', (text: string) => this.#heard(text));
  }

  /** Takes no more requests. */
  get isOver(): boolean {
    return this.#lost !== undefined;
  }

  /** One request after the other. A line must be words and nothing else. */
  run(lines: readonly string[]): Promise<BatchOutcome> {
    const outcome = this.#tail.then(() => this.#run(lines));
    this.#tail = outcome;
    return outcome;
  }

  #run(lines: readonly string[]): Promise<BatchOutcome> {
    if (this.#lost !== undefined) return Promise.resolve(this.#lost);
    return new Promise((resolve) => {
      this.#given += lines.length + 1;
      const deadline = this.#clock.after(requestMsMax, () => this.#lose('hung'));
      this.#request = { upTo: this.#given, resolve, deadline };
      this.#said = '';
      this.#child?.stdin?.write([...lines, marker, ''].join('\n'));
    });
  }

  #heard(text: string): void {
    const request = this.#request;
    if (request === undefined) return;
    this.#said += text;
    const last = `${refusal}${request.upTo}\n`;
    if (this.#said.length > saidCharsMax) this.#lose('flooded');
    else if (this.#said.endsWith(last)) {
      const first = this.#said.indexOf(refusal);
      this.#settle(first === this.#said.length - last.length ? 'done' : 'refused');
    }
  }

  #lose(reason: BatchLoss): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#child?.kill('SIGKILL');
    this.#settle(reason);
  }

  #settle(outcome: BatchOutcome): void {
    const request = this.#request;
    this.#request = undefined;
    this.#said = '';
    request?.deadline.cancel();
    request?.resolve(outcome);
  }

  /** Lets it do what it was given. Resolves when the process is gone, or cannot be made to go. */
  async end(): Promise<void> {
    await this.#tail;
    this.#child?.stdin?.end();
    const killed = Promise.withResolvers<undefined>();
    const timer = this.#clock.after(endMsMax, () => {
      this.#lose('hung');
      killed.resolve(undefined);
    });
    await Promise.race([this.#exit, killed.promise]);
    timer.cancel();
  }
}

/** Undefined where Node throws instead of telling of an error, as it does without memory. */
function begin(tool: BatchTool, namespacePath: string | undefined): ChildProcess | undefined {
  const words = [tool, '-force', '-batch', '-'];
  const [file = '', ...args] =
    namespacePath === undefined ? words : ['nsenter', `--net=${namespacePath}`, ...words];
  try {
    return spawn(file, args, { stdio: ['pipe', 'ignore', 'pipe'], env: toolEnvironment() });
  } catch {
    return undefined;
  }
}
