import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import type { HostNamespace } from '../commands.ts';

/** Whether namespaces can be made here; says so where they cannot. */
export function canMakeNamespaces(): boolean {
  if (process.getuid?.() === 0) return true;
  console.warn('skipped: network namespaces need root');
  return false;
}

export function ip(...words: readonly string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8' });
}

/** Processes of the kernel's tools that this one has begun. */
export function ownTools(): readonly number[] {
  const words = ['-o', 'pid=,comm=', '--ppid', String(process.pid)];
  const rows = execFileSync('ps', words, { encoding: 'utf8' }).split('\n');
  return rows.flatMap((row) => {
    const [id, name = ''] = row.trim().split(/\s+/);
    return ['ip', 'bridge'].includes(name) ? [Number(id)] : [];
  });
}

/** A network namespace that stands for a host, with a process in it, and an address on a loopback device. */
export class ScratchHost implements HostNamespace {
  readonly name: string;
  readonly path: string;
  readonly #holder: ChildProcess;

  private constructor(name: string, holder: ChildProcess) {
    this.name = name;
    this.path = `/run/netns/${name}`;
    this.#holder = holder;
  }

  static async make(name: string, address: string): Promise<ScratchHost> {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'addr', 'add', `${address}/32`, 'dev', 'lo');
    const holder = spawn('ip', ['netns', 'exec', name, 'sh', '-c', 'echo; exec sleep 3600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => holder.stdout?.once('data', resolve));
    return new ScratchHost(name, holder);
  }

  get pid(): number {
    return this.#holder.pid ?? 0;
  }

  run(...words: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, ...words], { encoding: 'utf8' });
  }

  async remove(): Promise<void> {
    const ended = new Promise((resolve) => this.#holder.once('exit', resolve));
    this.#holder.kill('SIGKILL');
    await ended;
    ip('netns', 'del', this.name);
  }
}
