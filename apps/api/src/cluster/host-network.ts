import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { HostNetwork } from './addresses.ts';

const noDestination = '00000000';

/** What this host's network looks like now. */
export async function readHostNetwork(): Promise<HostNetwork> {
  const interfaces = Object.entries(networkInterfaces()).map(([name, addresses]) => ({
    name,
    addresses: (addresses ?? []).map(({ address, internal }) => ({ address, internal })),
  }));
  return { interfaces, defaultInterface: await defaultInterface() };
}

/** The kernel's route with the smallest metric for everything that has no route of its own. */
async function defaultInterface(): Promise<string | undefined> {
  let table: string;
  try {
    table = await readFile('/proc/net/route', 'utf8');
  } catch {
    return undefined;
  }
  const routes = table
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([, destination]) => destination === noDestination)
    .map(([name, , , , , , metric]) => ({ name, metric: Number(metric ?? 0) }));
  routes.sort((a, b) => a.metric - b.metric);
  return routes[0]?.name;
}
