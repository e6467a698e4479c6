import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, mustRun, run } from '../../host/command.ts';
import { httpOver } from '../../host/http.ts';
import { settled } from './settled.ts';

/** Of the machine's own time. */
const commandMsMax = 180_000;
const engineMsMax = 180_000;
const upMsMax = 300_000;
const shoalProgram = '/opt/shoal/apps/cli/dist/main.mjs';
/** Where the machine keeps `wg`: hosts have it when it is installed on them. */
export const keptTool = '/opt/wireguard-tools/wg';

export type Door = 'shoal' | 'engine';
const sockets: Readonly<Record<Door, string>> = {
  shoal: '/run/shoal/docker.sock',
  engine: '/run/docker.sock',
};

/** The docker command on Shoal's socket. */
export const onShoal = ['docker', `--host=unix://${sockets.shoal}`] as const;

/** A host: namespaces of its own with Docker's engine in them, and Shoal as `shoal up` starts it. */
export class ProductHost {
  readonly name: string;
  readonly address: string;
  readonly #holder: ChildProcess;
  /** Of the first process inside. */
  #pid = 0;

  private constructor(name: string, address: string, holder: ChildProcess) {
    this.name = name;
    this.address = address;
    this.#holder = holder;
  }

  /** In the network namespace of its name, which has `eth0`; resolves when the engine answers. */
  static async start(name: string, address: string): Promise<ProductHost> {
    const root = `/hosts/${name}`;
    mkdirSync(root, { recursive: true });
    // Containers leave their root for another one, and `docker exec` follows them to the first of all mounts.
    const moved = `mount --rbind / ${root} && cd ${root} && mount --move . /`;
    const begun = `exec chroot . docker-init -- dash /suite/host-init.sh ${name} ${address}`;
    const spaces = ['--mount', '--uts', '--pid', '--fork', '--propagation', 'private'];
    const words = [
      `--net=/run/netns/${name}`,
      'unshare',
      ...spaces,
      'dash',
      '-c',
      `${moved} && ${begun}`,
    ];
    const holder = spawn('nsenter', words, { stdio: 'inherit' });
    const host = new ProductHost(name, address, holder);
    await settled(`the engine of ${name}`, () => host.#engineAnswers(), engineMsMax);
    return host;
  }

  async up(): Promise<void> {
    const upped = ['node', shoalProgram, 'up'] as const;
    await mustRun('nsenter', [...this.#enter(), ...upped], { timeoutMs: upMsMax });
  }

  /** A program in the host, whatever its outcome. */
  try(...words: readonly string[]): Promise<CommandResult> {
    return run('nsenter', [...this.#enter(), ...words], { timeoutMs: commandMsMax });
  }

  exec(...words: readonly string[]): Promise<string> {
    return mustRun('nsenter', [...this.#enter(), ...words], { timeoutMs: commandMsMax });
  }

  docker(...args: readonly string[]): Promise<string> {
    return this.exec(...onShoal, ...args);
  }

  /** The docker command on the host's own engine. */
  engine(...args: readonly string[]): Promise<string> {
    return this.exec('docker', ...args);
  }

  /** What one of its sockets has at a path: cheaper than the docker command, which is a large program. */
  async read(door: Door, path: string): Promise<unknown> {
    const call = { method: 'GET', path, timeoutMs: commandMsMax };
    const { status, body } = await httpOver(this.#path(sockets[door]), call);
    if (status !== 200) throw new Error(`${this.name} answers ${path} with ${status}: ${body}`);
    return JSON.parse(body);
  }

  installWireguardTools(): Promise<string> {
    return this.exec('cp', keptTool, '/usr/local/sbin/wg');
  }

  /** kill -9 of one of Shoal's processes; its supervisor starts it again. */
  async kill(process: string): Promise<void> {
    const record = readFileSync(this.#path(`/run/shoal/${process}.json`), 'utf8');
    const { pid } = JSON.parse(record) as { readonly pid: number };
    await this.exec('kill', '-9', String(pid));
  }

  /** The last that its processes complained of. */
  complaints(linesMax = 15): string {
    const directory = this.#path('/var/lib/shoal/logs');
    const names = existsSync(directory) ? readdirSync(directory) : [];
    const lines = names
      .filter((name) => name.endsWith('.log'))
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
      .filter((line) => /"level":"(warn|error|fatal)"/.test(line));
    const engineLog = this.#path('/run/engine.log');
    const engine = existsSync(engineLog) ? readFileSync(engineLog, 'utf8').split('\n') : [];
    return [`${this.name}:`, ...lines.slice(-linesMax), ...engine.slice(-linesMax)].join('\n  ');
  }

  async #engineAnswers(): Promise<boolean> {
    const { pid } = this.#holder;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    this.#pid = Number(child);
    await this.read('engine', '/version');
    return true;
  }

  /** All of its spaces, and its root. */
  #enter(): readonly string[] {
    const spaces = ['--mount', '--uts', '--net', '--pid', '--root', '--wd'];
    return ['--target', String(this.#pid), ...spaces];
  }

  #path(inside: string): string {
    return join(`/proc/${this.#pid}/root`, inside);
  }
}
