/**
 * A small server and client that lives in a network namespace of its own and does what it is told over
 * its IPC channel. Bundled it needs nothing but Node, so that it also runs where nothing else is.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, connect as dial, type Socket } from 'node:net';
import type { HeldPort, PortHolder } from '../host/ports.ts';
import { noMetrics } from './no-metrics.ts';
import { readProxyHeader } from './proxied.ts';

export interface Ask {
  readonly host: string;
  readonly port: number;
  readonly times: number;
  readonly atOnce?: number;
}

/** How often each answer and each error came. */
export interface Tally {
  readonly names: Readonly<Record<string, number>>;
  /** Addresses that the servers saw us come from. */
  readonly sources: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Reply {
  readonly name: string;
  readonly source: string;
}

/** What a peer can be told; all answers are plain data. */
export interface PeerCalls {
  /** Answers each line over TCP, and each datagram, with its name and the address it sees. */
  serve(of: { name: string; port: number }): void;
  /** Takes no new connections, answers those that are open, and ends when they have. */
  stop(of: object): void;
  /** One connection a question. */
  ask(of: Ask): Tally;
  /** A connection that stays; gives its number. */
  open(of: { host: string; port: number }): number;
  /** The answer over an open connection, or the name of the error as its name. */
  say(of: { connection: number }): Reply;
  /** A question from a UDP socket of that number, which is made if there is none. */
  send(of: { socket: number; host: string; port: number }): Reply;
  /** A datagram as it is given, to whoever it is for; nobody waits for an answer. */
  datagram(of: { host: string; port: number; base64: string }): void;
  /** Texts of the datagrams that came, the newest last. */
  heard(of: object): readonly string[];
  /** Holds these ports, as the balancer of a host does; those that it does not have, with the reason. */
  hold(of: { ports: readonly HeldPort[]; relayTo: string }): readonly (readonly [string, string])[];
  /** Ends all connections, of clients as well. */
  drop(of: object): void;
}

/** Longest wait for an answer, milliseconds; emulated machines are slow. */
const answerMs = Number(process.env['PEER_ANSWER_MS'] ?? '3000');

const connections = new Map<number, Socket>();
const served = new Set<Socket>();
const sockets = new Map<number, UdpSocket>();
/** Datagrams that are kept. */
const datagramsMax = 100;
const datagrams: string[] = [];
let stopServing: (() => Promise<void>) | undefined;
let connectionNumber = 0;

function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

async function serve({ name, port }: { name: string; port: number }): Promise<void> {
  const server = createServer((client) => {
    served.add(client);
    client.on('close', () => served.delete(client));
    client.on('error', () => client.destroy());
    let source = plain(client.remoteAddress);
    client.on('data', (data) => {
      const { client: told, rest } = readProxyHeader(data);
      source = told?.address ?? source;
      if (rest.length > 0) client.write(`${name} ${source}\n`);
    });
  });
  const socket = createSocket({ type: 'udp6' });
  socket.on('message', (message, { address, port: to }) => {
    datagrams.push(message.toString());
    if (datagrams.length > datagramsMax) datagrams.shift();
    socket.send(`${name} ${plain(address)}\n`, to, address);
  });
  await new Promise<void>((done) => server.listen({ host: '::', port, backlog: 4096 }, done));
  await new Promise<void>((done) => socket.bind({ address: '::', port }, done));
  stopServing = async () => {
    socket.close();
    await new Promise<void>((done) => server.close(() => done()));
  };
}

async function stop(): Promise<void> {
  await stopServing?.();
  stopServing = undefined;
}

/** The next answer, or the code of what went wrong as its name. */
function answerOf(socket: Socket): Promise<Reply> {
  return new Promise((resolve) => {
    const end = (reply: Reply): void => {
      clearTimeout(timer);
      socket.off('data', read).off('error', fail).off('close', closed);
      resolve(reply);
    };
    const read = (data: Buffer): void => {
      const [name = '', source = ''] = data.toString().trim().split(' ');
      end({ name, source });
    };
    const fail = (error: NodeJS.ErrnoException): void =>
      end({ name: error.code ?? 'error', source: '' });
    const closed = (): void => end({ name: 'closed', source: '' });
    const timer = setTimeout(() => end({ name: 'timeout', source: '' }), answerMs);
    socket.on('data', read).on('error', fail).on('close', closed);
    socket.write('?\n');
  });
}

async function askOnce(host: string, port: number): Promise<Reply> {
  const socket = dial({ host, port });
  socket.on('error', () => undefined);
  const reply = await answerOf(socket);
  // A reset leaves no port waiting, so that thousands of questions find one.
  socket.resetAndDestroy();
  return reply;
}

async function ask({ host, port, times, atOnce = 16 }: Ask): Promise<Tally> {
  const names: Record<string, number> = {};
  const sources: Record<string, number> = {};
  const errors: Record<string, number> = {};
  let left = times;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const { name, source } = await askOnce(host, port);
      const into = source === '' ? errors : names;
      into[name] = (into[name] ?? 0) + 1;
      if (source !== '') sources[source] = (sources[source] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, times) }, worker));
  return { names, sources, errors };
}

async function open({ host, port }: { host: string; port: number }): Promise<number> {
  const socket = dial({ host, port });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject);
  });
  socket.on('error', () => undefined);
  connectionNumber += 1;
  connections.set(connectionNumber, socket);
  return connectionNumber;
}

function say({ connection }: { connection: number }): Promise<Reply> | Reply {
  const socket = connections.get(connection);
  return socket === undefined ? { name: 'none', source: '' } : answerOf(socket);
}

async function send(of: { socket: number; host: string; port: number }): Promise<Reply> {
  let socket = sockets.get(of.socket);
  if (socket === undefined) {
    socket = createSocket(of.host.includes(':') ? 'udp6' : 'udp4');
    sockets.set(of.socket, socket);
    const made = socket;
    await new Promise<void>((done) => made.connect(of.port, of.host, done));
  }
  const used = socket;
  return new Promise((resolve) => {
    const end = (reply: Reply): void => {
      clearTimeout(timer);
      used.off('message', read).off('error', fail);
      used.on('error', () => undefined);
      resolve(reply);
    };
    const read = (data: Buffer): void => {
      const [name = '', source = ''] = data.toString().trim().split(' ');
      end({ name, source });
    };
    const fail = (error: NodeJS.ErrnoException): void =>
      end({ name: error.code ?? 'error', source: '' });
    const timer = setTimeout(() => end({ name: 'timeout', source: '' }), answerMs);
    used.on('message', read).on('error', fail);
    used.send('?', (error) => {
      if (error !== null) fail(error);
    });
  });
}

function datagram({ host, port, base64 }: { host: string; port: number; base64: string }) {
  const socket = createSocket('udp4');
  return new Promise<void>((resolve, reject) => {
    socket.send(Buffer.from(base64, 'base64'), port, host, (error) => {
      socket.close();
      if (error === null) resolve();
      else reject(error);
    });
  });
}

let ports: PortHolder | undefined;

async function hold(of: { ports: readonly HeldPort[]; relayTo: string }) {
  ports ??= await portHolder(of.relayTo);
  return [...(await ports.hold(of.ports))];
}

/** Loaded only where it is used: most peers are to start fast. */
async function portHolder(relayTo: string): Promise<PortHolder> {
  const { silentLogger, systemClock } = await import('@shoal/runtime');
  const { listeningPorts } = await import('../host/ports.ts');
  return listeningPorts({
    relayTo: (port) => ({ host: relayTo, port }),
    ...{ clock: systemClock, logger: silentLogger, metrics: noMetrics },
  });
}

function drop(): void {
  for (const socket of [...served, ...connections.values()]) socket.destroy();
  for (const socket of sockets.values()) socket.close();
  connections.clear();
  sockets.clear();
}

const calls: Readonly<Record<string, (of: never) => unknown>> = {
  serve,
  stop,
  ask,
  open,
  say,
  send,
  datagram,
  hold,
  heard: () => datagrams,
  drop,
};

process.on('message', (message: { id: number; call: string; of: never }) => {
  Promise.resolve(calls[message.call]?.(message.of)).then(
    (result) => process.send?.({ id: message.id, result }),
    (error: NodeJS.ErrnoException) =>
      process.send?.({ id: message.id, error: error.code ?? error.message }),
  );
});
process.on('disconnect', () => process.exit());
