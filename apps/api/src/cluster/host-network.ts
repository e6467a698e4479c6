import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { HostNetwork } from './addresses.ts';

const noDestination = '00000000';
const noDestinationV6 = '0'.repeat(32);

/** What this host's network looks like now. */
export async function readHostNetwork(): Promise<HostNetwork> {
  const interfaces = Object.entries(networkInterfaces()).map(([name, addresses]) => ({
    name,
    addresses: (addresses ?? []).map(({ address, internal }) => ({ address, internal })),
  }));
  return { interfaces, defaultInterface: await defaultInterface() };
}

/** The interface of the best route for everything that has no route of its own; IPv4 goes first. */
async function defaultInterface(): Promise<string | undefined> {
  return best(v4Routes(await table('route'))) ?? best(v6Routes(await table('ipv6_route')));
}

interface Route {
  readonly name: string;
  readonly metric: number;
}

function v4Routes(text: string): readonly Route[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([, destination]) => destination === noDestination)
    .map(([name = '', , , , , , metric]) => ({ name, metric: Number(metric ?? 0) }));
}

function v6Routes(text: string): readonly Route[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([to, length, , , , , , , , name]) =>
        to === noDestinationV6 && length === '00' && name !== 'lo',
    )
    .map(([, , , , , metric = '0', , , , name = '']) => ({
      name,
      metric: Number.parseInt(metric, 16),
    }));
}

function best(routes: readonly Route[]): string | undefined {
  return [...routes].sort((a, b) => a.metric - b.metric)[0]?.name;
}

async function table(name: string): Promise<string> {
  return readFile(`/proc/net/${name}`, 'utf8').catch(() => '');
}
