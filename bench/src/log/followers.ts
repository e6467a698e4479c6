import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { VoterTls } from '@shoal/raft/service';

export interface FollowersOptions {
  /** Of the voter that they follow. */
  readonly addr: string;
  readonly tls: VoterTls;
  readonly count: number;
}

/** What all of them together were given since the last report. */
export interface FollowersReport {
  readonly entries: number;
  readonly bytes: number;
}

/** Followers in a process of their own. */
export class Followers {
  readonly #process: ChildProcess;

  constructor(options: FollowersOptions) {
    const program = join(import.meta.dirname, 'follower-process.ts');
    this.#process = fork(program, [JSON.stringify(options)], {
      execArgv: ['--conditions=@shoal/source'],
    });
  }

  /** Resolves once every one of them has the entry `index`. */
  async reached(index: number): Promise<FollowersReport> {
    this.#process.send(index);
    const ended = once(this.#process, 'exit').then(() => {
      throw new Error('the followers ended');
    });
    // Otherwise the end of a process that has answered would be an error that nobody waits for.
    ended.catch(() => undefined);
    const [report] = await Promise.race([once(this.#process, 'message'), ended]);
    return report as FollowersReport;
  }

  stop(): void {
    this.#process.kill('SIGKILL');
  }
}
