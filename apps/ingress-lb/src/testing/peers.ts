import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { PeerCalls } from './peer.ts';

/** A process in a namespace that serves and asks. */
export interface Peer {
  call<K extends keyof PeerCalls>(
    name: K,
    of: Parameters<PeerCalls[K]>[0],
  ): Promise<ReturnType<PeerCalls[K]>>;
  close(): Promise<void>;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Starts a peer in a network namespace; the bundled program where there is one. */
export function startPeer(namespace: string, program = join(import.meta.dirname, 'peer.ts')): Peer {
  const command = [process.execPath, '--conditions=@shoal/source', program];
  const child = spawn('nsenter', [`--net=${namespace}`, ...command], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.on('exit', () => {
    for (const [id, settle] of waiting) settle({ id, error: 'the peer has ended' });
    waiting.clear();
  });
  return {
    call: (name, of) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, ({ result, error }) => {
          if (error === undefined) resolve(result as never);
          else reject(new Error(error));
        });
        child.send({ id: last, call: name, of });
      }),
    close: () => ended(child),
  };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
