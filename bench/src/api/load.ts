import { closedLoop, type Rate } from '../log/closed-loop.ts';
import { HttpConnection, requestBytes } from './http-connection.ts';

/** `clients` with a connection each that ask, wait for the answer, and ask again. @throws for any refusal */
async function rate(
  socket: string,
  clients: number,
  durationMs: number,
  next: (client: number) => Buffer,
): Promise<Rate> {
  const connections = await Promise.all(
    Array.from({ length: clients }, () => HttpConnection.open(socket)),
  );
  try {
    return await closedLoop(clients, durationMs, async (client) => {
      const answer = await connections[client]?.send(next(client));
      if (answer === undefined || answer.status >= 400)
        throw new Error(`a request was answered with ${answer?.status}`);
    });
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Reads of one path. */
export function readRate(
  socket: string,
  path: string,
  clients: number,
  durationMs: number,
): Promise<Rate> {
  const request = requestBytes('GET', path);
  return rate(socket, clients, durationMs, () => request);
}

/** Creates of services without replicas, each with a name of its own. */
export function createRate(
  socket: string,
  name: string,
  clients: number,
  durationMs: number,
): Promise<Rate> {
  let made = 0;
  return rate(socket, clients, durationMs, () => {
    made += 1;
    return requestBytes('POST', '/services/create', service(`${name}-${made}`, 0));
  });
}

/** A service whose tasks fit no node: they stay pending, and cost no container. */
export function service(Name: string, Replicas: number): object {
  return {
    Name,
    TaskTemplate: {
      ContainerSpec: { Image: 'busybox:latest', Args: ['sleep', '100000'] },
      Placement: { Constraints: ['node.labels.nowhere==true'] },
    },
    Mode: { Replicated: { Replicas } },
  };
}
