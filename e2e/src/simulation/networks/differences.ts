import type { DigestConsumer } from '@shoal/overlay';
import { impliedRecords, nodeNetworks, servedDigest } from '@shoal/overlay';
import type { EndpointRecord, StateView } from '@shoal/state';
import type { ConsumerName } from './fake-consumer.ts';
import type { SimulatedHost } from './simulated-host.ts';
import { networkIds } from './specs.ts';

const consumed: Readonly<Record<ConsumerName, DigestConsumer>> = {
  dns: 'names',
  'ingress-lb': 'balancer',
};

/** What the log says of the networks, in a few words: while it stays the same the log is at rest. */
export function impliedText(view: StateView, hosts: readonly SimulatedHost[]): string {
  const digests = networkIds.flatMap((id) => {
    const records = impliedRecords(view, id);
    return (['names', 'balancer', 'peers'] as const).map((each) => servedDigest(records, each));
  });
  const networks = hosts.map(({ nodeId }) => nodeNetworks(view, nodeId).map(({ id }) => id));
  return JSON.stringify([digests, networks]);
}

/** Where a host serves something else than the log implies: one sentence each. */
export function differences(view: StateView, hosts: readonly SimulatedHost[]): readonly string[] {
  const implied = new Map(networkIds.map((id) => [id as string, impliedRecords(view, id)]));
  return hosts.flatMap((host) => {
    const wanted = nodeNetworks(view, host.nodeId).map(({ id }) => id);
    const found = wanted.flatMap((id) => inNetwork(host, id, implied.get(id) ?? []));
    const strays = [
      ...host.consumers.flatMap(({ name, networks }) =>
        networks.flatMap((id) => (wanted.includes(id) ? [] : `${name} serves ${id}`)),
      ),
      ...[...host.kernel.built.keys()].flatMap((id) =>
        wanted.includes(id) ? [] : `${id} is built`,
      ),
    ].map((stray) => `${host.agentName}: ${stray}, which is not its own any more`);
    return [...found, ...strays];
  });
}

function inNetwork(
  { agentName, nodeId, consumers, kernel }: SimulatedHost,
  id: string,
  implied: readonly EndpointRecord[],
): readonly string[] {
  const served = consumers.flatMap((consumer) => {
    const right = servedDigest(implied, consumed[consumer.name]);
    const is = consumer.digest(id);
    if (is === right) return [];
    return [`${agentName}: ${consumer.name} serves ${is ?? 'nothing'} in ${id}, not ${right}`];
  });
  const others = implied.filter((record) => record.nodeId !== nodeId);
  const peers = kernel.peers.get(id) ?? [];
  const isRight = servedDigest(peers, 'peers') === servedDigest(others, 'peers');
  if (isRight && kernel.built.has(id)) return served;
  const list = (records: readonly EndpointRecord[]): string =>
    records
      .map(({ endpointId }) => endpointId)
      .sort()
      .join(' ');
  return [...served, `${agentName}: peers in ${id} are ${list(peers)}, not ${list(others)}`];
}
