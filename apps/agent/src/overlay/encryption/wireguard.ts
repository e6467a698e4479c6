import type { EncryptedHost } from '@shoal/overlay';
import type { TunnelKey } from './tunnel-key.ts';

/** What the kernel's device should know. */
export interface WireguardPlan {
  readonly key: TunnelKey;
  /** UDP port that packets of other hosts come to. */
  readonly port: number;
  /** Each tunnel end and each key once. */
  readonly hosts: readonly EncryptedHost[];
}

/** What the kernel's device knows. */
export interface SeenWireguard {
  readonly publicKey: string;
  readonly port: number;
  /** Ranges that a peer may send from and is sent to, by its key. */
  readonly peers: ReadonlyMap<string, string>;
}

/** Hosts of several networks, each once. */
export function distinctHosts(lists: readonly (readonly EncryptedHost[])[]): EncryptedHost[] {
  const byVtep = new Map<string, EncryptedHost>();
  for (const host of lists.flat()) byVtep.set(host.vtep, host);
  return [...byVtep.values()].sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1));
}

/** Lines for `wg syncconf`, which leaves alone what is so already. */
export function renderConfig({ key, port, hosts }: WireguardPlan): readonly string[] {
  return [
    '[Interface]',
    `PrivateKey = ${key.privateKey}`,
    `ListenPort = ${port}`,
    ...hosts.flatMap((host) => [
      '[Peer]',
      `PublicKey = ${host.publicKey}`,
      `Endpoint = ${host.vtep.includes(':') ? `[${host.vtep}]` : host.vtep}:${host.port}`,
      `AllowedIPs = ${asRange(host.vtep)}`,
    ]),
  ];
}

/** An address as a range of one. */
export function asRange(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

const interfaceFields = 4;
const peerFields = 8;

/** Reads `wg show <device> dump`; undefined when it is something else. Keeps no secret of it. */
export function readDump(text: string): SeenWireguard | undefined {
  const [first = [], ...rest] = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
  const [, publicKey = '', port = ''] = first;
  if (first.length !== interfaceFields || rest.some(({ length }) => length !== peerFields)) {
    return undefined;
  }
  const peers = rest.map(([key = '', , , allowed = '']) => [key, allowed] as const);
  return { publicKey, port: Number(port), peers: new Map(peers) };
}

/**
 * Whether the kernel knows exactly these hosts. Where they were last heard from is its own business: it
 * follows whoever proves to have the key.
 */
export function knowsAll(seen: SeenWireguard, { key, port, hosts }: WireguardPlan): boolean {
  return (
    seen.publicKey === key.publicKey &&
    seen.port === port &&
    seen.peers.size === hosts.length &&
    hosts.every(({ publicKey, vtep }) => seen.peers.get(publicKey) === asRange(vtep))
  );
}
