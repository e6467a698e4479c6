import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pause, systemClock } from '@shoal/runtime';

const program = '/usr/bin/etcd';
const firstPort = 22_379;
const readyMsMax = 20_000;
const lookMs = 50;

interface EtcdMember {
  readonly clientPort: number;
  readonly process: ChildProcess;
}

/** One sentence for people when etcd is not there. */
export function etcdMissing(): string | undefined {
  return existsSync(program)
    ? undefined
    : `${program} is missing, and the log is measured beside it: apt-get install etcd-server`;
}

/** Members of an etcd cluster on loopback, with their data on the disk that ours is on, and default settings. */
export class EtcdProcesses {
  readonly #directory: string;
  readonly #members: readonly EtcdMember[];

  private constructor(directory: string, members: readonly EtcdMember[]) {
    this.#directory = directory;
    this.#members = members;
  }

  static async start(count: number): Promise<EtcdProcesses> {
    const directory = mkdtempSync(join(process.cwd(), '.bench-'));
    const places = Array.from({ length: count }, (_, at) => ({
      name: `member-${at + 1}`,
      clientPort: firstPort + 2 * at,
      peerPort: firstPort + 2 * at + 1,
    }));
    const cluster = places.map(({ name, peerPort }) => `${name}=${url(peerPort)}`).join(',');
    const members = places.map(({ name, clientPort, peerPort }): EtcdMember => {
      const args = [
        ...['--name', name, '--data-dir', join(directory, name)],
        ...['--listen-client-urls', url(clientPort), '--advertise-client-urls', url(clientPort)],
        ...['--listen-peer-urls', url(peerPort), '--initial-advertise-peer-urls', url(peerPort)],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
        ...['--logger', 'zap', '--log-level', 'error'],
      ];
      return { clientPort, process: spawn(program, args, { stdio: 'ignore' }) };
    });
    const started = new EtcdProcesses(directory, members);
    await started.leaderPort();
    return started;
  }

  /** Where clients reach the leader, once there is one. */
  async leaderPort(): Promise<number> {
    const end = systemClock.monotonic() + readyMsMax;
    while (systemClock.monotonic() < end) {
      for (const { clientPort } of this.#members) if (await leads(clientPort)) return clientPort;
      await pause(systemClock, lookMs);
    }
    throw new Error('etcd has no leader');
  }

  async stop(): Promise<void> {
    for (const { process: child } of this.#members) {
      const running = child.exitCode === null && child.signalCode === null;
      child.kill('SIGKILL');
      if (running) await once(child, 'exit');
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function url(port: number): string {
  return `http://127.0.0.1:${port}`;
}

async function leads(port: number): Promise<boolean> {
  try {
    const response = await fetch(`${url(port)}/metrics`);
    return /^etcd_server_is_leader 1$/m.test(await response.text());
  } catch {
    // It does not listen yet.
    return false;
  }
}
