import { closedLoop, type Rate } from './closed-loop.ts';
import { EtcdConnection } from './etcd-connection.ts';
import type { EtcdProcesses } from './etcd-processes.ts';
import { CallTemplate, putRequest } from './http2-frames.ts';
import { valueBytes } from './points.ts';

const path = '/etcdserverpb.KV/Put';
/** As etcd's own benchmark is run for a thousand clients. */
const connectionsMax = 100;

/** Puts of clients at etcd's leader, each to a key of its own. */
export async function etcdRate(
  etcd: EtcdProcesses,
  proposers: number,
  durationMs: number,
): Promise<Rate> {
  const port = await etcd.leaderPort();
  const count = Math.min(proposers, connectionsMax);
  const connections = await Promise.all(
    Array.from({ length: count }, () => EtcdConnection.open(port)),
  );
  const clients = Array.from({ length: proposers }, (_, number) => {
    const message = putRequest(Buffer.from(`bench/${number}`), Buffer.alloc(valueBytes, 'x'));
    const template = new CallTemplate(`127.0.0.1:${port}`, path, message);
    return { template, connection: connections[number % count] };
  });
  try {
    return await closedLoop(proposers, durationMs, async (number) => {
      const client = clients[number];
      await client?.connection?.call(client.template);
    });
  } finally {
    for (const connection of connections) connection.close();
  }
}
