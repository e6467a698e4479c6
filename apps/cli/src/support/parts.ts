import { execFile } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { arch, cpus, freemem, hostname, loadavg, release, totalmem, uptime } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kernelCommands } from '@shoal/overlay/kernel';
import { systemClock } from '@shoal/runtime';
import { diagnose } from '../host/diagnosis.ts';
import { askApi } from '../host/docker-socket.ts';
import { hostStatus, livingProcesses } from '../host/health.ts';
import { logDirectory } from '../host/layout.ts';
import { CommandError } from '../terminal.ts';
import { nodesText, servicesText, tasksText, unconvergedIn } from './objects.ts';

/** Of each log the end, bytes. */
const logBytesMax = 8 * 1024 * 1024;
const commandMsMax = 10_000;
const commandBytesMax = 8 * 1024 * 1024;
const fetchMs = 5_000;
/** Services that are explained. */
const explainedMax = 20;

/** One file of the bundle. */
export interface Part {
  readonly path: string;
  /** @throws what kept it from being had. */
  readonly gather: () => Promise<string>;
}

export interface SupportOptions {
  readonly dataDir: string;
  readonly runDir: string;
  readonly socket: string;
  readonly engine: string;
  readonly version: string;
}

/** What the commands of the kernel's tools say; none of them changes anything. */
const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  disks: ['df', '-h'],
  addresses: ['ip', '-details', 'address'],
  links: ['ip', '-statistics', 'link'],
  routes: ['ip', 'route', 'show', 'table', 'all'],
  rules: ['nft', 'list', 'ruleset'],
  sockets: ['ss', '--listening', '--tcp', '--udp', '--numeric'],
};

/** Everything that tells how this host, and the swarm as it sees it, stand. */
export async function supportParts(options: SupportOptions): Promise<readonly Part[]> {
  return [
    { path: 'host/about.json', gather: () => about(options) },
    { path: 'host/status.json', gather: async () => json(await hostStatus(options.runDir)) },
    { path: 'host/doctor.json', gather: () => doctor(options) },
    ...Object.entries(commands).map(([name, [program, ...args]]) => ({
      path: `host/${name}.txt`,
      gather: () => output(program, args),
    })),
    ...(await logParts(options.dataDir)),
    ...adminParts(options.runDir),
    ...swarmParts(options.socket),
  ];
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

async function about({ version, dataDir }: SupportOptions): Promise<string> {
  const system = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return json({
    time: new Date(systemClock.now()).toISOString(),
    hostname: hostname(),
    shoal: version,
    node: process.version,
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(system)?.[1] ?? '',
    kernel: release(),
    architecture: arch(),
    processors: cpus().length,
    load: loadavg(),
    memory: { total: totalmem(), free: freemem() },
    uptimeSeconds: Math.round(uptime()),
    dataDir,
  });
}

async function doctor({ engine, runDir }: SupportOptions): Promise<string> {
  const { processes } = await hostStatus(runDir);
  return json(
    await diagnose({ commands: kernelCommands(), engine, running: processes.length > 0 }),
  );
}

async function output(program: string, args: readonly string[]): Promise<string> {
  const options = { timeout: commandMsMax, maxBuffer: commandBytesMax };
  const { stdout, stderr } = await promisify(execFile)(program, args, options);
  return stdout + stderr;
}

async function logParts(dataDir: string): Promise<readonly Part[]> {
  const directory = logDirectory(dataDir);
  const names = await readdir(directory).catch(() => []);
  const logs = names.filter((name) => name.endsWith('.log'));
  if (logs.length === 0) {
    const nothing = async (): Promise<string> => {
      throw new CommandError(`there is no log in ${directory}`);
    };
    return [{ path: 'logs', gather: nothing }];
  }
  return logs.map((name) => ({
    path: `logs/${name}`,
    gather: () => endOf(join(directory, name)),
  }));
}

async function endOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, logBytesMax));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    // From the first whole line on.
    const from = size > bytes.length ? bytes.indexOf(0x0a) + 1 : 0;
    return bytes.subarray(from).toString('utf8');
  } finally {
    await file.close();
  }
}

function adminParts(runDir: string): readonly Part[] {
  return livingProcesses(runDir).flatMap(({ process: name, admin }) => {
    if (admin === null) return [];
    const ask = async (path: string): Promise<string> => {
      const signal = AbortSignal.timeout(fetchMs);
      return (await fetch(`http://${admin}${path}`, { signal })).text();
    };
    return [
      { path: `processes/${name}/metrics.txt`, gather: () => ask('/metrics') },
      { path: `processes/${name}/ready.json`, gather: () => ask('/readyz') },
    ];
  });
}

function swarmParts(socket: string): readonly Part[] {
  const ask = (path: string): Promise<unknown> => askApi(socket, 'GET', path);
  const own = ['status', 'capacity', 'survivability', 'net/verify', 'settings', 'audit/verify'];
  return [
    ...own.map((name) => ({
      path: `swarm/${name.replace('/', '-')}.json`,
      gather: async () => json(await ask(`/shoal/v1/${name}`)),
    })),
    { path: 'swarm/nodes.json', gather: async () => json(nodesText(await ask('/nodes'))) },
    { path: 'swarm/services.json', gather: async () => json(servicesText(await ask('/services'))) },
    { path: 'swarm/tasks.json', gather: async () => json(tasksText(await ask('/tasks'))) },
    { path: 'swarm/unconverged.json', gather: async () => json(await explanations(ask)) },
  ];
}

/** Why services are not what they ask for. */
async function explanations(ask: (path: string) => Promise<unknown>): Promise<readonly unknown[]> {
  const ids = unconvergedIn(await ask('/shoal/v1/status')).slice(0, explainedMax);
  return Promise.all(ids.map((id) => ask(`/shoal/v1/services/${id}/explain`)));
}
