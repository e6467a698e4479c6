import { Worker } from 'node:worker_threads';
import { errorMessage, systemClock } from '@shoal/runtime';
import type { FromVoter, ToVoter, VoterOptions, VoterStatus } from './worker-protocol.ts';

/** Longest wait for an orderly end of the voter's thread, milliseconds; then it is terminated. */
export const voterStopMsMax = 5_000;
/** Status requests without an answer; the voter answers each in well under a millisecond. */
const statusRequestsMax = 64;

/** How a voter ended. */
export type VoterExit =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string };

/** A voter on its own worker thread. */
export interface Voter {
  /** The port it listens on. */
  readonly port: number;
  /** @throws when the voter has ended. */
  status(): Promise<VoterStatus>;
  /** Stores what was accepted, closes the log and ends the thread. */
  stop(): Promise<void>;
  /** Ends the thread as a crash would: nothing more is written. */
  kill(): Promise<void>;
  /** Calls `listener` once when the voter has ended, at once if it has already. */
  onExit(listener: (exit: VoterExit) => void): void;
}

/** From sources the worker runs the `.ts` beside this file; from a bundle, the `voter.mjs` beside the bundle. */
function workerUrl(): { readonly url: URL; readonly execArgv: string[] } {
  return import.meta.url.endsWith('.ts')
    ? { url: new URL('./voter.ts', import.meta.url), execArgv: ['--conditions=@shoal/source'] }
    : { url: new URL('./voter.mjs', import.meta.url), execArgv: [] };
}

/**
 * Starts a voter and resolves when it listens.
 * @throws why it could not start: the address is taken, the log is damaged (with file and offset), …
 */
export function startVoter(options: VoterOptions): Promise<Voter> {
  const { url, execArgv } = workerUrl();
  const worker = new Worker(url, { workerData: options, execArgv, name: 'voter' });
  return new Promise((resolve, reject) => {
    const voter = new VoterThread(worker, (port) => {
      voter.port = port;
      resolve(voter);
    });
    voter.onExit((exit) =>
      reject(new Error(exit.kind === 'failed' ? exit.message : 'the voter ended at its start')),
    );
  });
}

class VoterThread implements Voter {
  port = 0;
  readonly #worker: Worker;
  readonly #exited: Promise<VoterExit>;
  readonly #requests = new Map<
    number,
    { resolve: (status: VoterStatus) => void; reject: (error: Error) => void }
  >();
  #requestId = 0;
  #failure: string | undefined;
  #stopping = false;
  #ended = false;

  constructor(worker: Worker, started: (port: number) => void) {
    this.#worker = worker;
    worker.on('message', (message: FromVoter) => this.#heard(message, started));
    worker.on('error', (error) => {
      this.#failure ??= errorMessage(error);
    });
    this.#exited = new Promise((resolve) => {
      worker.once('exit', (code) => resolve(this.#exit(code)));
    });
  }

  status(): Promise<VoterStatus> {
    if (this.#ended || this.#requests.size >= statusRequestsMax)
      return Promise.reject(new Error(this.#ended ? 'the voter has ended' : 'the voter is silent'));
    this.#requestId += 1;
    const request = this.#requestId;
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      this.#send({ kind: 'status', request });
    });
  }

  async stop(): Promise<void> {
    if (!this.#ended) this.#send({ kind: 'stop' });
    this.#stopping = true;
    const forced = systemClock.after(voterStopMsMax, () => void this.#worker.terminate());
    await this.#exited;
    forced.cancel();
  }

  async kill(): Promise<void> {
    this.#stopping = true;
    await this.#worker.terminate();
    await this.#exited;
  }

  onExit(listener: (exit: VoterExit) => void): void {
    void this.#exited.then(listener);
  }

  #send(message: ToVoter): void {
    this.#worker.postMessage(message);
  }

  #heard(message: FromVoter, started: (port: number) => void): void {
    switch (message.kind) {
      case 'started':
        started(message.port);
        break;
      case 'status':
        this.#requests.get(message.request)?.resolve(message.status);
        this.#requests.delete(message.request);
        break;
      case 'fatal':
        this.#failure ??= message.message;
    }
  }

  #exit(code: number): VoterExit {
    this.#ended = true;
    for (const request of this.#requests.values()) request.reject(new Error('the voter has ended'));
    this.#requests.clear();
    if (this.#failure !== undefined) return { kind: 'failed', message: this.#failure };
    if (this.#stopping) return { kind: 'stopped' };
    return { kind: 'failed', message: `the voter's thread ended with code ${code}` };
  }
}
