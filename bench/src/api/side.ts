import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, HttpConnection, requestBytes } from './http-connection.ts';
import { within } from './time-limit.ts';

/** Managers of one kind that are a swarm. */
export interface Side {
  /** Sockets of Docker's API; the first manager leads. */
  readonly sockets: readonly string[];
  /** Resident memory of the first manager's processes, bytes. */
  memoryBytes(): number;
  /** CPU time that all processes of all managers have used since their start, seconds. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

/** Longest wait for one answer, milliseconds: long lists take seconds on a busy machine. */
const answerMsMax = 120_000;

/** One request on a connection of its own. @throws for any status from 400 on, and when no answer comes */
export async function ask(
  socket: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const connection = await HttpConnection.open(socket);
  try {
    const sent = connection.send(requestBytes(method, path, body), true);
    const answer = await within(answerMsMax, `${method} ${path}`, sent);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${told(answer)}`);
    return answer.body === '' ? undefined : JSON.parse(answer.body);
  } finally {
    connection.close();
  }
}

function told({ status, body }: Answer): string {
  return `${status} ${body.slice(0, 300)}`;
}

const everyMs = 100;

/** Waits until `look` gives something. @throws when it does not in time */
export async function until<T>(
  about: string,
  withinMs: number,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await look().catch(() => undefined);
    if (seen !== undefined) return seen;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${about}`);
    await pause(everyMs);
  }
}

const readyMs = 60_000;
const clusterPort = 2_377;

/** Makes one swarm of the managers that listen at the sockets. */
export async function formSwarm(
  sockets: readonly string[],
  addresses: readonly string[],
): Promise<void> {
  const [first = '', ...others] = sockets;
  const [leader = '', ...joining] = addresses;
  for (const socket of sockets)
    await until(`an answer at ${socket}`, readyMs, () => ask(socket, 'GET', '/version'));
  await ask(first, 'POST', '/swarm/init', {
    ListenAddr: `${leader}:${clusterPort}`,
    AdvertiseAddr: leader,
  });
  const swarm = (await ask(first, 'GET', '/swarm')) as { JoinTokens: { Manager: string } };
  for (const [at, socket] of others.entries())
    await ask(socket, 'POST', '/swarm/join', {
      ListenAddr: `${joining[at]}:${clusterPort}`,
      AdvertiseAddr: joining[at],
      RemoteAddrs: [`${leader}:${clusterPort}`],
      JoinToken: swarm.JoinTokens.Manager,
    });
  await until(`${sockets.length} managers`, readyMs, async () => {
    const nodes = (await ask(first, 'GET', '/nodes')) as {
      ManagerStatus?: { Reachability: string };
    }[];
    const reached = nodes.filter((node) => node.ManagerStatus?.Reachability === 'reachable');
    return reached.length === sockets.length || undefined;
  });
}
