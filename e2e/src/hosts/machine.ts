import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { type CommandOptions, type CommandResult, mustRun, run } from '../host/command.ts';
import { type HttpCall, type HttpResult, httpOver } from '../host/http.ts';
import { eventually } from '../host/wait.ts';
import { clockFile } from './container.ts';
import { type Cut, cutScript, healScript } from './faults.ts';

const bootMsMax = 60_000;
const device = 'eth0';
/** Kernel buffer and delay of a slowed device; small, so that slow means slow and not late. */
const slowQueue = ['burst', '32kbit', 'latency', '400ms'];

/**
 * A host of its own: engine, address, disks, and all processes of Shoal. What happens to machines can be
 * done to it: power cut, freeze, cut cables, a slow line, a wrong clock.
 */
export class Machine {
  readonly name: string;
  /** Its address on the network between machines. */
  readonly address: string;
  readonly #container: Docker.Container;
  readonly #outerEngine: string;
  /** Of the first process inside, as seen from here. */
  #pid: number;

  constructor(options: {
    readonly name: string;
    readonly address: string;
    readonly container: Docker.Container;
    readonly outerEngine: string;
    readonly pid: number;
  }) {
    this.name = options.name;
    this.address = options.address;
    this.#container = options.container;
    this.#outerEngine = options.outerEngine;
    this.#pid = options.pid;
  }

  /** A file of the machine, reached through the kernel: works while its network is cut. */
  path(inside: string): string {
    return join(`/proc/${this.#pid}/root`, inside);
  }

  /** Whether it has power. */
  get isUp(): boolean {
    return existsSync(this.path('/'));
  }

  /** Shoal's socket. */
  get socket(): string {
    return this.path('/run/shoal/docker.sock');
  }

  /** The docker CLI on Shoal's socket, which must succeed; gives standard output. */
  docker(...args: readonly string[]): Promise<string> {
    return mustRun('docker', ['--host', `unix://${this.socket}`, ...args]);
  }

  /** The docker CLI on Shoal's socket, whatever its outcome. */
  tryDocker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run('docker', ['--host', `unix://${this.socket}`, ...args], options);
  }

  /** The docker CLI on the machine's own engine, past Shoal. */
  engine(...args: readonly string[]): Promise<string> {
    return mustRun('docker', ['--host', `unix://${this.engineSocket}`, ...args]);
  }

  get engineSocket(): string {
    return this.path('/run/docker.sock');
  }

  /** One raw request on Shoal's socket. */
  http(call: HttpCall): Promise<HttpResult> {
    return httpOver(this.socket, call);
  }

  /** Runs a program inside, whatever its outcome. */
  tryExec(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const exec = ['--host', this.#outerEngine, 'exec', this.#container.id];
    return run('docker', [...exec, ...args], options);
  }

  /** Runs a program inside that must succeed; gives standard output. */
  exec(...args: readonly string[]): Promise<string> {
    return mustRun('docker', ['--host', this.#outerEngine, 'exec', this.#container.id, ...args]);
  }

  /** The machine's shoal command. */
  shoal(...args: readonly string[]): Promise<string> {
    return this.exec('shoal', ...args);
  }

  /** Shoal's processes by name, with their pids inside the machine. */
  processes(): ReadonlyMap<string, number> {
    const directory = this.path('/run/shoal');
    const found = new Map<string, number>();
    for (const name of readdirSync(directory)) {
      if (!name.endsWith('.json')) continue;
      const record = JSON.parse(readFileSync(join(directory, name), 'utf8')) as {
        readonly process: string;
        readonly pid: number;
      };
      found.set(record.process, record.pid);
    }
    return found;
  }

  /** kill -9 of one process, which is dead when this resolves; the supervisor starts it again. */
  async killProcess(name: string): Promise<void> {
    const pid = this.processes().get(name);
    if (pid === undefined) throw new Error(`${name} does not run on ${this.name}`);
    await mustRun('nsenter', ['--target', String(this.#pid), '--pid', 'kill', '-9', String(pid)]);
  }

  /** Running containers of the swarm on this machine's engine: id by name of the task. */
  async containers(service: string): Promise<ReadonlyMap<string, string>> {
    const filter = `label=com.docker.swarm.service.name=${service}`;
    const format = '{{.Names}} {{.ID}}';
    const out = await this.engine('ps', '--no-trunc', '--filter', filter, '--format', format);
    const rows = out.split('\n').filter((row) => row !== '');
    return new Map(rows.map((row) => row.split(' ') as [string, string]));
  }

  /**
   * Power cut: everything that runs inside ends at once; the disks stay. The signal has been sent
   * when this returns; what it resolves with is the end of the last process.
   */
  async kill(): Promise<void> {
    process.kill(this.#pid, 'SIGKILL');
    await this.#container.wait();
  }

  /** Boots the machine after `kill`; resolves when Shoal's processes are up. */
  async start(): Promise<void> {
    await this.#container.start();
    this.#pid = (await this.#container.inspect()).State.Pid;
    await eventually(
      `${this.name} has booted`,
      () => readdirSync(this.path('/run')).includes('host-ready'),
      bootMsMax,
    );
  }

  /** Freezes everything inside, containers included, until `unpause`. */
  async pause(): Promise<void> {
    await this.#container.pause();
  }

  async unpause(): Promise<void> {
    await this.#container.unpause();
  }

  /** Drops traffic between this machine and others (or everybody) from now until `heal`. */
  async cut(
    others: Machine | readonly Machine[] | 'all',
    what: { readonly direction?: Cut['direction']; readonly port?: number } = {},
  ): Promise<void> {
    const peers = others === 'all' ? undefined : [others].flat().map(({ address }) => address);
    const cut: Cut = { peers, direction: what.direction ?? 'both', port: what.port };
    await this.exec('nft', cutScript(cut, device));
  }

  /** Takes cuts and slowness away. */
  async heal(): Promise<void> {
    await this.exec('nft', healScript);
    await this.tryExec(['tc', 'qdisc', 'del', 'dev', device, 'root']);
  }

  /** Limits what the machine sends. */
  async slow(kilobitsPerSecond: number): Promise<void> {
    const rate = `${kilobitsPerSecond}kbit`;
    await this.exec(
      'tc',
      'qdisc',
      'replace',
      'dev',
      device,
      'root',
      'tbf',
      'rate',
      rate,
      ...slowQueue,
    );
  }

  /** From within a second on, Shoal's processes see a clock that is off by so many seconds. */
  async skewClock(seconds: number): Promise<void> {
    const file = this.path(clockFile);
    writeFileSync(`${file}.new`, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);
    renameSync(`${file}.new`, file);
  }

  /** The last lines that Shoal's processes wrote above the level `info`. */
  complaints(linesMax = 20): string {
    const directory = this.path('/var/lib/shoal/logs');
    let names: readonly string[];
    try {
      names = readdirSync(directory).filter((name) => name.endsWith('.log'));
    } catch {
      return `${this.name}: not running`;
    }
    const lines = names
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
      .filter((line) => /"level":"(warn|error|fatal)"/.test(line))
      .sort((a, b) => timeOf(a).localeCompare(timeOf(b)));
    return [`${this.name}:`, ...lines.slice(-linesMax)].join('\n  ');
  }
}

function timeOf(line: string): string {
  return /"time":"([^"]+)"/.exec(line)?.[1] ?? '';
}
