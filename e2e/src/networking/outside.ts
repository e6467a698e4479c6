import { type ChildProcess, spawn } from 'node:child_process';
import { inject } from 'vitest';

export interface Question {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

export interface Answer {
  readonly id: number;
  readonly body?: string;
  readonly error?: string;
}

/** Where the machines see requests of {@link get} come from: the first address of their network. */
export const outsideAddress = '10.78.0.1';

/** A process on the network between the machines, that is on none of them. */
class Outside {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #id = 0;

  constructor() {
    const program = new URL('./requester.ts', import.meta.url).pathname;
    const namespace = ['-t', String(inject('outerEnginePid')), '-n'];
    this.#child = spawn('nsenter', [...namespace, process.execPath, program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.unref();
    this.#child.channel?.unref();
  }

  ask(question: Omit<Question, 'id'>): Promise<string> {
    this.#id += 1;
    const id = this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ body, error }) =>
        body === undefined ? reject(new Error(error)) : resolve(body),
      );
      this.#child.send({ id, ...question } satisfies Question);
    });
  }
}

let outside: Outside | undefined;

/** The body of an answer to one request on a connection of its own, from outside of all machines. */
export function get(host: string, port: number, timeoutMs = 5_000): Promise<string> {
  outside ??= new Outside();
  return outside.ask({ host, port, timeoutMs });
}
