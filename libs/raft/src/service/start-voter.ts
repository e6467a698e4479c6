import { Worker } from 'node:worker_threads';
import { errorMessage, systemClock } from '@shoal/runtime';
import type { MembershipChange } from '../types.ts';
import type {
  AuthorityAnswer,
  AuthorityCall,
  FromVoter,
  LogKey,
  ToVoter,
  VoterOptions,
  VoterOrder,
  VoterOutcome,
  VoterStatus,
  VoterTls,
} from './worker-protocol.ts';

/** Longest wait for an orderly end of the voter's thread, milliseconds; then it is terminated. */
export const voterStopMsMax = 5_000;
/** Longest wait for the end of a voter's thread that may end at once, milliseconds. */
const voterKillMsMax = 1_000;
/** Questions without an answer; the voter answers most in well under a millisecond. Orders are few, and never turned away. */
const questionsMax = 64;
/** gRPC statuses. */
const unavailable = 14;
const unimplemented = 12;

/** How a voter ended. */
export type VoterExit =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly message: string };

/** A voter on its own worker thread. */
export interface Voter {
  /** The port it listens on. */
  readonly port: number;
  /**
   * Its view of the log, with the leader's of the members if that answers.
   * @throws when the voter has ended.
   */
  status(): Promise<VoterStatus>;
  /** Counts for new connections on both sides; those that stand are not touched. */
  renew(tls: VoterTls): Promise<VoterOutcome>;
  /** New data is sealed with the newest of these; the others are for what is on the disk. */
  rotateKeys(keys: readonly LogKey[]): Promise<VoterOutcome>;
  /** Makes one change of the members; on the leader only. */
  changeMembership(change: MembershipChange): Promise<VoterOutcome>;
  /** On the leader only: to the voter that is furthest. */
  transferLeadership(): Promise<VoterOutcome>;
  /** Done when the audit's files hold what was applied, or the disk has refused it. */
  flushAudit(): Promise<VoterOutcome>;
  /** Calls `listener` once when this voter is no member any more, at once if it is so already. */
  onRemoved(listener: () => void): void;
  /** Hands leadership over, stores what was accepted, closes the log and ends the thread. */
  stop(): Promise<void>;
  /** Ends the thread as a crash would: nothing more is written. */
  kill(): Promise<void>;
  /** Calls `listener` once when the voter has ended, at once if it has already. */
  onExit(listener: (exit: VoterExit) => void): void;
}

export interface StartVoterOptions extends VoterOptions {
  /**
   * Answers calls of the `CertificateAuthority` service on the voter's port, whose callers may have no
   * certificate yet. At most 64 are under way, of 64 KiB and 30 s each.
   */
  readonly authority?: ((call: AuthorityCall) => Promise<AuthorityAnswer>) | undefined;
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
export function startVoter({ authority, ...options }: StartVoterOptions): Promise<Voter> {
  const { url, execArgv } = workerUrl();
  const worker = new Worker(url, { workerData: options, execArgv, name: 'voter' });
  return new Promise((resolve, reject) => {
    const voter = new VoterThread(worker, authority, (port) => {
      voter.port = port;
      resolve(voter);
    });
    voter.onExit((exit) =>
      reject(new Error(exit.kind === 'failed' ? exit.message : 'the voter ended at its start')),
    );
  });
}

interface Request {
  readonly resolve: (answer: VoterStatus | VoterOutcome) => void;
  readonly reject: (error: Error) => void;
}

class VoterThread implements Voter {
  port = 0;
  readonly #worker: Worker;
  readonly #authority: StartVoterOptions['authority'];
  readonly #exited: Promise<VoterExit>;
  readonly #requests = new Map<number, Request>();
  readonly #removedListeners = new Set<() => void>();
  #requestId = 0;
  #failure: string | undefined;
  #removed = false;
  #stopping = false;
  #ended = false;

  constructor(
    worker: Worker,
    authority: StartVoterOptions['authority'],
    started: (port: number) => void,
  ) {
    this.#worker = worker;
    this.#authority = authority;
    worker.on('message', (message: FromVoter) => this.#heard(message, started));
    worker.on('error', (error) => {
      this.#failure ??= errorMessage(error);
    });
    this.#exited = new Promise((resolve) => {
      worker.once('exit', (code) => resolve(this.#exit(code)));
    });
  }

  status(): Promise<VoterStatus> {
    return this.#ask((request) => ({ kind: 'status', request })) as Promise<VoterStatus>;
  }

  renew(tls: VoterTls): Promise<VoterOutcome> {
    return this.#order({ kind: 'renew', tls });
  }

  rotateKeys(keys: readonly LogKey[]): Promise<VoterOutcome> {
    return this.#order({ kind: 'rotate-keys', keys });
  }

  changeMembership(change: MembershipChange): Promise<VoterOutcome> {
    return this.#order({ kind: 'change-membership', change });
  }

  transferLeadership(): Promise<VoterOutcome> {
    return this.#order({ kind: 'transfer-leadership' });
  }

  flushAudit(): Promise<VoterOutcome> {
    return this.#order({ kind: 'flush-audit' });
  }

  onRemoved(listener: () => void): void {
    if (this.#removed) listener();
    else this.#removedListeners.add(listener);
  }

  async stop(): Promise<void> {
    await this.#end({ kind: 'stop' }, voterStopMsMax);
  }

  async kill(): Promise<void> {
    await this.#end({ kind: 'kill' }, voterKillMsMax);
  }

  async #end(order: ToVoter, msMax: number): Promise<void> {
    this.#stopping = true;
    if (!this.#ended) this.#send(order);
    const forced = systemClock.after(msMax, () => void this.#worker.terminate());
    await this.#exited;
    forced.cancel();
  }

  onExit(listener: (exit: VoterExit) => void): void {
    void this.#exited.then(listener);
  }

  async #order(order: VoterOrder): Promise<VoterOutcome> {
    try {
      const made = (request: number): ToVoter => ({ kind: 'order', request, order });
      return (await this.#request(made)) as VoterOutcome;
    } catch (error) {
      return { kind: 'failed', code: 'no-leader', message: errorMessage(error) };
    }
  }

  #ask(made: (request: number) => ToVoter): Promise<VoterStatus | VoterOutcome> {
    if (this.#requests.size >= questionsMax)
      return Promise.reject(new Error('the voter has more questions than it answers'));
    return this.#request(made);
  }

  #request(made: (request: number) => ToVoter): Promise<VoterStatus | VoterOutcome> {
    if (this.#ended) return Promise.reject(new Error('the voter has ended'));
    this.#requestId += 1;
    const request = this.#requestId;
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      this.#send(made(request));
    });
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
        this.#answered(message.request, message.status);
        break;
      case 'outcome':
        this.#answered(message.request, message.outcome);
        break;
      case 'authority-call':
        void this.#askAuthority(message.call, message.content);
        break;
      case 'removed':
        this.#removed = true;
        for (const listener of this.#removedListeners) listener();
        this.#removedListeners.clear();
        break;
      case 'fatal':
        this.#failure ??= message.message;
    }
  }

  #answered(request: number, answer: VoterStatus | VoterOutcome): void {
    this.#requests.get(request)?.resolve(answer);
    this.#requests.delete(request);
  }

  async #askAuthority(call: number, content: AuthorityCall): Promise<void> {
    let answer: AuthorityAnswer;
    try {
      answer = (await this.#authority?.(content)) ?? noAuthority;
    } catch (error) {
      answer = { kind: 'error', code: unavailable, message: errorMessage(error) };
    }
    if (!this.#ended) this.#send({ kind: 'authority-answer', call, answer });
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

const noAuthority: AuthorityAnswer = {
  kind: 'error',
  code: unimplemented,
  message: 'this manager issues no certificates',
};
