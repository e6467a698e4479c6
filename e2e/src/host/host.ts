import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type CommandOptions, type CommandResult, mustRun, run } from './command.ts';
import { repository } from './engine.ts';
import { type HttpResult, httpOver } from './http.ts';
import { eventually } from './wait.ts';

/** What `shoal status --json` says of one process. */
export interface ProcessStatus {
  readonly process: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly healthy: boolean;
  readonly ready: boolean;
}

/** One Shoal host as a user has it: started by `./shoal up`, driven by the docker CLI. */
export class Host {
  readonly name: string;
  readonly dataDirectory: string;
  readonly runDirectory: string;
  readonly socket: string;
  readonly #flags: readonly string[];

  private constructor(name: string, flags: readonly string[], dataDirectory: string) {
    this.name = name;
    this.dataDirectory = dataDirectory;
    this.runDirectory = join(inject('scratch'), name, 'run');
    this.socket = join(this.runDirectory, 'docker.sock');
    this.#flags = flags;
  }

  static async create(
    name: string,
    dataDirectory = join(inject('scratch'), name, 'data'),
  ): Promise<Host> {
    const [log, dispatcher, metrics] = await freePorts();
    const flags = [
      `--listen=127.0.0.1:${log}`,
      `--dispatcher-listen=127.0.0.1:${dispatcher}`,
      `--metrics-port-base=${metrics}`,
      `--engine=unix://${inject('engineSocket')}`,
    ];
    return new Host(name, flags, dataDirectory);
  }

  up(...extra: readonly string[]): Promise<string> {
    return mustRun(join(repository, 'shoal'), this.upArguments(...extra));
  }

  /** The command line of `shoal up` for this host. */
  upArguments(...extra: readonly string[]): string[] {
    mkdirSync(this.runDirectory, { recursive: true });
    const directories = [`--data-dir=${this.dataDirectory}`, `--run-dir=${this.runDirectory}`];
    const given = new Set(extra.map((flag) => flag.split('=')[0]));
    const flags = this.#flags.filter((flag) => !given.has(flag.split('=')[0]));
    return ['up', ...directories, ...flags, ...extra];
  }

  down(): Promise<string> {
    return mustRun(join(repository, 'shoal'), ['down', `--run-dir=${this.runDirectory}`]);
  }

  shoal(...args: readonly string[]): Promise<CommandResult> {
    return run(join(repository, 'shoal'), [...args, `--run-dir=${this.runDirectory}`]);
  }

  /** A command of ours that asks this host's api. */
  asking(...args: readonly string[]): Promise<CommandResult> {
    return run(join(repository, 'shoal'), [...args, `--socket=${this.socket}`]);
  }

  /** A swarm of one on a host that is up. */
  async init(): Promise<string> {
    return this.docker('swarm', 'init', '--advertise-addr=127.0.0.1');
  }

  /** The docker CLI, which must succeed; gives standard output. */
  docker(...args: readonly string[]): Promise<string> {
    return mustRun('docker', ['--host', `unix://${this.socket}`, ...args]);
  }

  /** The docker CLI, whatever its outcome. */
  tryDocker(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run('docker', ['--host', `unix://${this.socket}`, ...args], options);
  }

  /** One raw HTTP request on the host's socket. */
  http(
    method: string,
    path: string,
    body?: string,
    headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
  ): Promise<HttpResult> {
    return httpOver(this.socket, { method, path, body, headers });
  }

  async status(): Promise<readonly ProcessStatus[]> {
    const out = await this.shoal('status', '--json');
    const parsed: unknown = JSON.parse(out.stdout);
    return (parsed as { processes: readonly ProcessStatus[] }).processes;
  }

  async pidOf(process: string): Promise<number> {
    const found = (await this.status()).find((row) => row.process === process);
    if (found?.pid == null) throw new Error(`${process} does not run`);
    return found.pid;
  }

  /** Pids of the supervisor and everything below it. */
  async allPids(): Promise<readonly number[]> {
    const supervisor = Number(readFileSync(join(this.runDirectory, 'supervisor.pid'), 'utf8'));
    const pids = (await this.status()).flatMap((row) => (row.pid === null ? [] : [row.pid]));
    return [supervisor, ...pids];
  }

  /** Containers of this host's services on the shared engine, by task name. */
  async containers(service: string): Promise<ReadonlyMap<string, string>> {
    const out = await mustRun('docker', [
      '--host',
      `unix://${inject('engineSocket')}`,
      'ps',
      '--no-trunc',
      '--filter',
      `label=com.docker.swarm.service.name=${service}`,
      '--format',
      '{{.Names}} {{.ID}}',
    ]);
    const rows = out
      .trim()
      .split('\n')
      .filter((row) => row !== '');
    return new Map(rows.map((row) => row.split(' ') as [string, string]));
  }

  /** Waits until `docker service ls` shows `replicas`, for example `3/3`. */
  async converged(service: string, replicas: string, deadlineMs = 60_000): Promise<void> {
    await eventually(
      `service ${service} at ${replicas}`,
      async () => {
        const out = await this.docker('service', 'ls', '--format', '{{.Name}} {{.Replicas}}');
        return out.split('\n').includes(`${service} ${replicas}`);
      },
      deadlineMs,
    );
  }

  /** Ends the swarm, its containers and the processes. */
  async destroy(): Promise<void> {
    await this.tryDocker(['swarm', 'leave', '--force']);
    await this.down();
  }
}

/** Below what the kernel gives to connections that name no port of their own. */
const portMin = 20_000;
const portMax = 32_000;
/** Two ports, a run of eight for metrics, and the dashboard's after them. */
const portsNeeded = 11;
const portTriesMax = 50;

/** Three free ports; the last starts a run of eight for metrics. */
async function freePorts(): Promise<readonly [number, number, number]> {
  for (let tries = 0; tries < portTriesMax; tries += 1) {
    const first = randomInt(portMin, portMax - portsNeeded);
    if (await areFree(first, portsNeeded)) return [first, first + 1, first + 2];
  }
  throw new Error(`no ${portsNeeded} free ports in a row between ${portMin} and ${portMax}`);
}

async function areFree(first: number, count: number): Promise<boolean> {
  const servers: Server[] = [];
  try {
    for (let port = first; port < first + count; port += 1) servers.push(await listenOn(port));
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  }
}

function listenOn(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
