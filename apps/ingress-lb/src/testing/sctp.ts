import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { KernelCommands } from '@shoal/overlay/kernel';
import type { Reply } from './peer.ts';

/** Longest wait for an answer, seconds; emulated machines are slow. */
const answerSeconds = 20;

/** Whether programs can have SCTP sockets, of which Node has none. */
export function hasSctp(): boolean {
  return /^SCTP/m.test(readFileSync('/proc/net/protocols', 'utf8'));
}

export interface SctpServer {
  readonly ready: Promise<void>;
  end(): void;
}

export interface SctpServerOptions {
  readonly namespace: string;
  readonly name: string;
  /** One: who has several tells the other end of all, and nobody translates those. */
  readonly address: string;
  readonly port: number;
}

/** Answers each connection with a name and the address it sees. */
export function startSctp({ namespace, name, address, port }: SctpServerOptions): SctpServer {
  const listen = `SCTP4-LISTEN:${port},bind=${address},fork,reuseaddr`;
  const answer = `SYSTEM:echo ${name} $SOCAT_PEERADDR`;
  const child = spawn('nsenter', [`--net=${namespace}`, 'socat', '-d', '-d', listen, answer], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ready = new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('listening on')) resolve();
    });
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`socat ended: ${said}`)));
  });
  return { ready, end: () => void child.kill('SIGKILL') };
}

export interface SctpQuestion {
  readonly namespace: string;
  /** Of the client, for the same reason. */
  readonly from: string;
  readonly host: string;
  readonly port: number;
}

/** @throws what the tool said. */
export async function askSctp(
  commands: KernelCommands,
  { namespace, from, host, port }: SctpQuestion,
): Promise<Reply> {
  const to = `SCTP4:${host}:${port},bind=${from},connect-timeout=${answerSeconds}`;
  const args = ['-d', '-u', '-T', String(answerSeconds), to, '-'];
  const outcome = await commands.run({ program: 'socat', args, namespace });
  if (outcome.kind === 'failed') throw new Error(`${to}: ${outcome.message} ${outcome.stderr}`);
  const [name = '', source = ''] = outcome.stdout.trim().split(' ');
  return { name, source };
}
