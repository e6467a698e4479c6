import { createSocket } from 'node:dgram';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import {
  type Capability,
  chooseBalancer,
  type KernelCommands,
  type NetworkCapabilities,
  probeNetworkCapabilities,
} from '@shoal/overlay/kernel';

/** `warn`: works, but less well or not everything. `bad`: the host cannot do its work. */
export type Verdict = 'ok' | 'warn' | 'bad';

/** One thing that was looked at. */
export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  /** What was found, and what to do where it is not well. */
  readonly detail: string;
}

export interface DiagnosisOptions {
  readonly commands: KernelCommands;
  /** `unix:///path` or `tcp://host:port`. */
  readonly engine: string;
  /** Whether Shoal runs here: then ports that are taken are its own. */
  readonly running: boolean;
}

/** Looks at everything that networking needs of a host. */
export async function diagnose(options: DiagnosisOptions): Promise<readonly Finding[]> {
  const { commands } = options;
  const found = await probeNetworkCapabilities(commands, `shoal-doctor-${process.pid}`);
  return [
    ...(await engineFindings(options.engine)),
    ...capabilityFindings(found),
    balancerFinding(found),
    ...(await portFindings(options.running)),
    await mtuFinding(commands),
    bridgeFinding(),
    await forwardingFinding(commands),
  ];
}

/** What each capability is for, and how bad it is without. */
const capabilityChecks: readonly {
  readonly key: keyof NetworkCapabilities;
  readonly check: string;
  readonly without: Verdict;
  readonly hint: string;
}[] = [
  { key: 'namespaces', check: 'namespaces', without: 'bad', hint: 'run as root' },
  { key: 'vxlan', check: 'vxlan', without: 'bad', hint: 'overlay networks need the module vxlan' },
  { key: 'nftables', check: 'nftables', without: 'bad', hint: 'install nftables, 0.9.3 or newer' },
  { key: 'ipvs', check: 'ipvs', without: 'ok', hint: 'nftables balances instead' },
  {
    key: 'conntrack',
    check: 'conntrack',
    without: 'warn',
    hint: 'open flows of stopped tasks are not ended: install conntrack',
  },
  {
    key: 'wireguard',
    check: 'wireguard',
    without: 'warn',
    hint: 'networks with --opt encrypted cannot be used on this host: they need the module wireguard and wireguard-tools',
  },
  { key: 'sctp', check: 'sctp', without: 'warn', hint: 'SCTP ports are not balanced' },
];

export function capabilityFindings(found: NetworkCapabilities): readonly Finding[] {
  return capabilityChecks.map(({ key, check, without, hint }) => {
    const capability: Capability = found[key];
    if (capability.kind === 'yes') return { check, verdict: 'ok', detail: capability.detail };
    return { check, verdict: without, detail: `${hint} (${capability.reason})` };
  });
}

export function balancerFinding(found: NetworkCapabilities): Finding {
  const chosen = chooseBalancer(found);
  if (chosen === undefined) {
    return { check: 'balancer', verdict: 'bad', detail: 'none works: see nftables' };
  }
  return { check: 'balancer', verdict: 'ok', detail: `${chosen} is chosen` };
}

const engineMsMax = 3_000;
/** First release whose API has what services need. */
const engineMajorMin = 20;

/** Whether the Docker Engine answers, and is new enough. */
export async function engineFindings(engine: string): Promise<readonly Finding[]> {
  const check = 'engine';
  const version = await engineVersion(engine);
  if (version === undefined) {
    return [{ check, verdict: 'bad', detail: `no Docker Engine answers at ${engine}` }];
  }
  const old = Number(version.split('.')[0]) < engineMajorMin;
  const detail = old ? `${version} is too old: ${engineMajorMin}.10 or newer` : version;
  return [{ check, verdict: old ? 'bad' : 'ok', detail }];
}

function engineVersion(engine: string): Promise<string | undefined> {
  const at = engine.startsWith('unix://')
    ? { socketPath: engine.slice('unix://'.length) }
    : new URL(engine.replace(/^tcp:/, 'http:'));
  const options =
    at instanceof URL ? { hostname: at.hostname, port: at.port } : { socketPath: at.socketPath };
  return new Promise((resolve) => {
    const call = request({ ...options, path: '/version', timeout: engineMsMax }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve(versionIn(body)));
      response.on('error', () => resolve(undefined));
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(undefined));
    call.end();
  });
}

function versionIn(body: string): string | undefined {
  try {
    return (JSON.parse(body) as { Version?: string }).Version;
  } catch {
    return undefined;
  }
}

/** Ports between hosts: what for, and whether they must be free. */
const ports = [
  { port: 2377, protocol: 'tcp', use: 'joining and the log' },
  { port: 2378, protocol: 'tcp', use: 'sessions of agents' },
  { port: 7946, protocol: 'tcp', use: 'gossip' },
  { port: 7946, protocol: 'udp', use: 'gossip' },
  { port: 4789, protocol: 'udp', use: 'tunnels' },
  { port: 51820, protocol: 'udp', use: 'tunnels of encrypted networks' },
] as const;

async function portFindings(running: boolean): Promise<readonly Finding[]> {
  return Promise.all(
    ports.map(async ({ port, protocol, use }): Promise<Finding> => {
      const check = `port ${port}/${protocol}`;
      const taken = protocol === 'tcp' ? await tcpTaken(port) : await udpTaken(port);
      if (!taken) return { check, verdict: 'ok', detail: `free, for ${use}` };
      if (running) return { check, verdict: 'ok', detail: `in use, for ${use}` };
      return {
        check,
        verdict: 'warn',
        detail: `another program has it; Shoal needs it for ${use}`,
      };
    }),
  );
}

function tcpTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(false)));
  });
}

function udpTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve(false)));
  });
}

/** Bytes that a tunnel takes of each packet. */
const tunnelBytes = 50;
/** What is left of a usual network; less works, but tells of one that somebody wraps already. */
const usualMtu = 1_500;

async function mtuFinding(commands: KernelCommands): Promise<Finding> {
  const check = 'mtu';
  const route = await commands.run({ program: 'ip', args: ['-o', 'route', 'get', '192.0.2.1'] });
  const device = route.kind === 'done' ? / dev (\S+)/.exec(route.stdout)?.[1] : undefined;
  if (device === undefined) {
    return { check, verdict: 'warn', detail: 'there is no default route to other hosts' };
  }
  const mtu = Number(readText(`/sys/class/net/${device}/mtu`));
  const detail = `${device} takes ${mtu} bytes, overlay networks ${mtu - tunnelBytes}`;
  return { check, verdict: mtu < usualMtu ? 'warn' : 'ok', detail };
}

/** Each namespace has its own switch; the balancer turns it off where it balances. */
function bridgeFinding(): Finding {
  const check = 'br_netfilter';
  const path = '/proc/sys/net/bridge/bridge-nf-call-iptables';
  if (!existsSync(path)) return { check, verdict: 'ok', detail: 'is not loaded' };
  const state = readText(path) === '1' ? 'on' : 'off';
  return { check, verdict: 'ok', detail: `is loaded and ${state} on the host` };
}

async function forwardingFinding(commands: KernelCommands): Promise<Finding> {
  const check = 'forwarding';
  const forwards = readText('/proc/sys/net/ipv4/ip_forward') === '1';
  const rules = await commands.run({ program: 'iptables', args: ['-w', '-S', 'FORWARD'] });
  if (rules.kind === 'failed') {
    return { check, verdict: 'ok', detail: `no iptables here (${rules.message})` };
  }
  const drops = /^-P FORWARD DROP/m.test(rules.stdout);
  const policy = drops ? 'drops what it does not know; published ports are let through' : 'accepts';
  const detail = `${forwards ? 'on' : 'off until a port is published'}; the firewall ${policy}`;
  return { check, verdict: 'ok', detail };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
