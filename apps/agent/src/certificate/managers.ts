import type { ManagerAddress } from '@shoal/pki';
import type { Manager } from '@shoal/proto';
import { formatHostPort, parseHostPort } from '@shoal/runtime';

const dispatcherPort = 2_378;

/**
 * The managers as the identity keeps them, sorted: one row for each that has a log. While none is told of, those
 * that were known are kept.
 */
export function managerAddresses(
  told: readonly Manager[],
  known: readonly ManagerAddress[],
): ManagerAddress[] {
  const found = new Map<string, ManagerAddress>();
  for (const { nodeId, logAddr, dispatcherAddr } of told) {
    if (logAddr === '' || found.has(nodeId)) continue;
    const before = known.find((manager) => manager.nodeId === nodeId)?.dispatcherAddr;
    const own = dispatcherAddr === '' ? (before ?? usual(logAddr)) : dispatcherAddr;
    found.set(nodeId, { nodeId, logAddr, dispatcherAddr: own });
  }
  if (found.size === 0) return [...known];
  return [...found.values()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
}

function usual(logAddr: string): string {
  return formatHostPort({ host: parseHostPort(logAddr)?.host ?? '', port: dispatcherPort });
}
