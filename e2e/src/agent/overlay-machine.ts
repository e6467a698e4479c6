import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { HostNetwork, NodeNetwork } from '@shoal/overlay';
import type { EndpointRecord, TaskAssignment } from '@shoal/state';
import { mustRun, run } from '../host/command.ts';
import { repository } from '../host/engine.ts';
import { eventually } from '../host/wait.ts';
import type { OverlayHostCalls } from './overlay-host.ts';

const program = join(import.meta.dirname, 'overlay-host.ts');
/** Plugin sockets and names of namespaces are the whole machine's otherwise. */
const setUp = [
  'ip link set lo up',
  'mkdir -p /run/docker/plugins /run/netns',
  'mount -t tmpfs t /run/docker/plugins',
  'mount -t tmpfs t /run/netns',
  'echo',
  'exec sleep 1000000',
].join(' && ');

interface Answer {
  readonly id?: number;
  readonly value?: unknown;
  readonly error?: string;
}

export interface OverlayMachineOptions {
  /** Whether the engine has its built-in bridge too. */
  readonly bridge: boolean;
}

/** What the driver has told of containers that are run by hand. */
export interface Told {
  readonly named?: string;
  readonly name?: string;
  readonly detached?: string;
}

/** A host: namespaces, in them an engine and the process of an overlay driver; each can end and come back. */
export class OverlayMachine {
  readonly number: number;
  readonly pid: number;
  readonly told: Told[] = [];
  readonly #directory: string;
  readonly #options: OverlayMachineOptions;
  readonly #holder: ChildProcess;
  #engine: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  #calls = 0;

  private constructor(
    number: number,
    directory: string,
    options: OverlayMachineOptions,
    holder: ChildProcess,
  ) {
    this.number = number;
    this.#directory = directory;
    this.#options = options;
    this.#holder = holder;
    this.pid = holder.pid ?? 0;
  }

  static async start(
    number: number,
    directory: string,
    options: OverlayMachineOptions = { bridge: false },
  ): Promise<OverlayMachine> {
    mkdirSync(directory, { recursive: true });
    const words = ['--net', '--mount', '--propagation', 'private', 'sh', '-c', setUp];
    const holder = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => holder.stdout?.once('data', resolve));
    const machine = new OverlayMachine(number, directory, options, holder);
    await machine.engineUp();
    await mustRun(join(repository, 'images/build.sh'), [machine.engineAddress]);
    return machine;
  }

  get engineAddress(): string {
    return `unix://${this.#directory}/docker.sock`;
  }

  get vtep(): string {
    return `10.200.0.${this.number}`;
  }

  get nodeId(): string {
    return `node${this.number}`;
  }

  /** Runs a program in the machine's namespaces. */
  inside(...words: readonly string[]): Promise<string> {
    return mustRun('nsenter', ['-t', String(this.pid), '-m', '-n', ...words]);
  }

  docker(...args: readonly string[]): Promise<string> {
    return mustRun('docker', ['--host', this.engineAddress, ...args]);
  }

  async engineUp(): Promise<void> {
    const directory = this.#directory;
    // The pid in it may be another process's by now, and the engine would wait for it.
    rmSync(`${directory}/exec/containerd/containerd.pid`, { force: true });
    const log = openSync(join(directory, 'engine.log'), 'a');
    const flags = [
      `--data-root=${directory}/data`,
      `--exec-root=${directory}/exec`,
      `--pidfile=${directory}/engine.pid`,
      `--host=${this.engineAddress}`,
      ...(this.#options.bridge ? [] : ['--bridge=none']),
      '--log-level=warn',
    ];
    const enter = ['-t', String(this.pid), '-m', '-n', 'dockerd', ...flags];
    this.#engine = spawn('nsenter', enter, { stdio: ['ignore', log, log] });
    closeSync(log);
    const answers = async (): Promise<boolean> =>
      (await run('docker', ['--host', this.engineAddress, 'version'])).code === 0;
    await eventually(`the engine of host ${this.number}`, answers, 60_000);
  }

  async engineDown(): Promise<void> {
    await ended(this.#engine, 'SIGTERM');
    this.#engine = undefined;
  }

  async agentUp(): Promise<void> {
    const enter = ['-t', String(this.pid), '-m', '-n', process.execPath];
    const words = ['--conditions=@shoal/source', program, this.engineAddress, this.#directory];
    const child = spawn('nsenter', [...enter, ...words], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#agent = child;
    child.on('message', (message: Told) => this.told.push(message));
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the driver ended with ${code}`)));
    });
  }

  /** Kills it: nothing is put away. */
  async agentDown(): Promise<void> {
    await ended(this.#agent, 'SIGKILL');
    this.#agent = undefined;
  }

  call<C extends keyof OverlayHostCalls>(
    call: C,
    ...args: Parameters<OverlayHostCalls[C]>
  ): Promise<Awaited<ReturnType<OverlayHostCalls[C]>>> {
    this.#calls += 1;
    const id = this.#calls;
    const child = this.#agent;
    return new Promise((resolve, reject) => {
      const answered = (answer: Answer): void => {
        if (answer.id !== id) return;
        child?.off('message', answered);
        if (answer.error === undefined) resolve(answer.value as never);
        else reject(new Error(answer.error));
      };
      child?.on('message', answered);
      child?.send({ id, call, args });
    });
  }

  /** Every network with a balancer address of this host: the host's number at the end. */
  configure(...networks: readonly NodeNetwork[]): Promise<undefined> {
    const own = networks.map((each) => ({
      ...each,
      balancerAddresses: each.subnets.map(({ subnet }) => {
        const [base = '', bits] = subnet.split('/');
        return `${base.replace(/0$/, '')}${1 + this.number}/${bits}`;
      }),
    }));
    return this.call('configure', own, { nodeId: this.nodeId, vtep: this.vtep });
  }

  record(endpointId: string, networkId: string, addresses: readonly string[]): EndpointRecord {
    return {
      ...{ networkId, endpointId, kind: 'task', nodeId: this.nodeId, vtep: this.vtep, addresses },
      ...{ name: endpointId, containerAliases: [], slot: 0, serving: true },
    };
  }

  /** A task with these addresses, by network. */
  task(
    taskId: string,
    networks: Readonly<Record<string, readonly string[]>>,
    nameservers: readonly string[] = [],
  ): TaskAssignment {
    return {
      ...{ taskId, serviceId: 'service1', serviceName: 'web', serviceLabels: {}, slot: 1 },
      ...{ nodeId: this.nodeId, desired: 'running', hostPorts: [], localNetworks: [] },
      template: {
        ContainerSpec: {
          Image: 'busybox:latest',
          Args: ['sleep', '100000'],
          ...(nameservers.length === 0 ? {} : { DNSConfig: { Nameservers: nameservers } }),
        },
        ForceUpdate: 0,
      },
      networks: Object.entries(networks).map(([networkId, addresses]) => ({
        ...{ networkId, addresses, driverOptions: {} },
        record: this.record(taskId, networkId, addresses.map(withoutPrefix)),
      })),
    };
  }

  async network(id: string): Promise<HostNetwork | undefined> {
    return (await this.call('hostNetworks')).find((each) => each.id === id);
  }

  async stop(): Promise<void> {
    // First the engine, while its driver still answers it.
    const ids = (await this.docker('ps', '-q')).split('\n').filter(Boolean);
    if (ids.length > 0) await run('docker', ['--host', this.engineAddress, 'kill', ...ids]);
    await this.engineDown();
    await this.agentDown();
    await ended(this.#holder, 'SIGKILL');
  }

  get engineLog(): string {
    return readFileSync(join(this.#directory, 'engine.log'), 'utf8');
  }
}

function withoutPrefix(address: string): string {
  return address.replace(/\/.*/, '');
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exit;
}

/** An underlay between two machines. */
export async function connect(one: OverlayMachine, other: OverlayMachine): Promise<void> {
  const pair = ['type', 'veth', 'peer', 'name', 'under0', 'netns', String(other.pid)];
  await one.inside('ip', 'link', 'add', 'under0', ...pair);
  for (const machine of [one, other]) {
    await machine.inside('ip', 'addr', 'add', `${machine.vtep}/24`, 'dev', 'under0');
    await machine.inside('ip', 'link', 'set', 'under0', 'up');
  }
}
