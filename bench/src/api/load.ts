import { closedLoop, type Rate } from '../log/closed-loop.ts';
import { HttpConnection, requestBytes } from './http-connection.ts';
import { within } from './time-limit.ts';

/** So much longer than it should a run may take before it is given up, milliseconds. */
const lateMsMax = 120_000;

/** What was done in one run. */
export interface Load extends Rate {
  /** All of them, also those of the warm-up that the rate leaves out. */
  readonly requests: number;
}

/** `clients` with a connection each that ask, wait for the answer, and ask again. @throws for any refusal */
async function rate(
  socket: string,
  clients: number,
  durationMs: number,
  next: (client: number) => Buffer,
): Promise<Load> {
  const connections = await Promise.all(
    Array.from({ length: clients }, () => HttpConnection.open(socket)),
  );
  let requests = 0;
  const loop = closedLoop(clients, durationMs, async (client) => {
    const answer = await connections[client]?.send(next(client));
    if (answer === undefined || answer.status >= 400)
      throw new Error(`a request was answered with ${answer?.status}`);
    requests += 1;
  });
  try {
    const done = await within(durationMs + lateMsMax, `${clients} clients`, loop);
    return { ...done, requests };
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
): Promise<Load> {
  const request = requestBytes('GET', path);
  return rate(socket, clients, durationMs, () => request);
}

/** Creates of services without replicas, each with a name of its own. */
export function createRate(
  socket: string,
  name: string,
  clients: number,
  durationMs: number,
): Promise<Load> {
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
