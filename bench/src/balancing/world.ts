import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { World } from '@shoal/ingress-lb/testing';
import { findProgram } from './programs.ts';
import { routeThroughHosts } from './routed.ts';

/** Port of nginx in the task; the suite's own server has 80. */
export const serverPort = 81;
/** Port of haproxy in the network's namespace. */
export const proxyPort = 9_000;

/** The balancer's world with nginx as its one serving task on the other host, and haproxy as a peer. */
export interface BalancingWorld {
  readonly world: World;
  /** Process ids of nginx and haproxy. */
  readonly servers: readonly number[];
  close(): Promise<void>;
}

export async function startWorld(): Promise<BalancingWorld> {
  const world = new World({ kind: 'nftables', prefix: `bnch${process.pid}` });
  const folder = mkdtempSync(join(tmpdir(), 'shoal-balancing-'));
  const started: Started[] = [];
  const close = async (): Promise<void> => {
    for (const { stop } of started.reverse()) await stop();
    await world.down();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await world.up();
    await world.remove(['t1', 't2', 't4']);
    const ports = [{ protocol: 'tcp', targetPort: serverPort, publishedPort: 8_080 }] as const;
    await world.change(['t3'], { ports });
    const nginx = join(folder, 'nginx.conf');
    writeFileSync(nginx, nginxConfig(folder));
    started.push(start(world.topology.path('t3'), 'nginx', ['-c', nginx]));
    const haproxy = join(folder, 'haproxy.cfg');
    writeFileSync(haproxy, haproxyConfig());
    started.push(start(world.topology.namespaceOf('a', 'demo'), 'haproxy', ['-f', haproxy]));
    await routeThroughHosts(world);
    await forgetClosed(world);
    await answers(world);
    return { world, servers: started.map(({ pid }) => pid), close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Started {
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

function start(namespace: string, program: string, args: readonly string[]): Started {
  const file = findProgram(program) ?? program;
  // nsenter becomes the program: its process is the server's.
  const child = spawn('nsenter', [`--net=${namespace}`, file, ...args], { stdio: 'inherit' });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  if (child.pid === undefined) throw new Error(`${program} does not start`);
  return { pid: child.pid, stop };
}

function nginxConfig(folder: string): string {
  return `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000;
  server { listen ${serverPort} backlog=4096; location / { return 200 "hello\\n"; } }
}
`;
}

function haproxyConfig(): string {
  return `defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 10.77.1.241:${proxyPort}
  default_backend tasks
backend tasks
  server t3 10.77.1.21:${serverPort}
`;
}

/**
 * Lets no closed connection of the task or of haproxy wait. One client comes to the task by every way, with the
 * ports of its earlier connections and, by each way, other timestamps: a waiting one refuses such a port for a second
 * (RFC 7323, section 5), and what is measured then is the way before.
 */
async function forgetClosed(world: World): Promise<void> {
  for (const namespace of [world.topology.path('t3'), world.topology.namespaceOf('a', 'demo')])
    await world.kernel(namespace, 'sysctl', '-qw', 'net.ipv4.tcp_max_tw_buckets=0');
}

const readyMsMax = 10_000;
const retryMs = 50;

/** Waits until both servers take connections, seen from the client's namespace. */
async function answers(world: World): Promise<void> {
  const deadline = performance.now() + readyMsMax;
  for (const [host, port] of [
    ['10.77.1.21', serverPort],
    ['10.77.1.241', proxyPort],
  ] as const) {
    while (!(await opens(world, host, port))) {
      if (performance.now() > deadline) throw new Error(`nobody answers at ${host}:${port}`);
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

async function opens(world: World, host: string, port: number): Promise<boolean> {
  try {
    await world.peer('client').call('open', { host, port });
    return true;
  } catch {
    return false;
  }
}
