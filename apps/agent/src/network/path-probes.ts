import { execFile } from 'node:child_process';
import { connect, isIPv6 } from 'node:net';
import { promisify } from 'node:util';
import type { PathProbes, TunnelProbed } from './path-check.ts';

const run = promisify(execFile);
/** What a program may take beside the probes themselves, milliseconds. */
const startMsMax = 5_000;
/** Where nobody listens (RFC 863): the other host's kernel says so at once. */
const closedPort = 9;
const smallBytes = 32;
/** IP and UDP, bytes. */
const headerBytes = { ipv4: 20 + 8, ipv6: 40 + 8 } as const;

/**
 * Runs in a network's namespace. A packet to a port where nobody listens comes back as an ICMP message,
 * which a connected socket reports: the packet has been there. Addresses are independent of each other.
 */
const script = `
const { createSocket } = require('node:dgram');
const { targets, port, timeoutMs } = JSON.parse(process.argv[1]);
const probe = (address, size) => new Promise((resolve) => {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  let timers = [];
  const end = (came) => { timers.forEach(clearTimeout); socket.close(); resolve(came); };
  socket.on('error', (error) => end(error.code === 'ECONNREFUSED'));
  // Not as an argument of connect: that one is called for failures, too, which then are no error event.
  socket.on('connect', () => {
    const send = () => socket.send(Buffer.alloc(size), () => undefined);
    timers = [setInterval(send, 200), setTimeout(() => end(false), timeoutMs)];
    send();
  });
  socket.connect(port, address);
});
Promise.all(targets.map(async ({ address, sizes }) => {
  const [small, full] = await Promise.all(sizes.map((size) => probe(address, size)));
  return [address, { small, full }];
})).then((found) => process.stdout.write(JSON.stringify(found)));
`;

/** What only a kernel that lives says. */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/** Real probes of this host. */
export const pathProbes: PathProbes = {
  pulse: ({ host, port }, timeout) =>
    new Promise((resolve) => {
      const socket = connect({ host, port, timeout });
      const end = (answers: boolean): void => {
        socket.destroy();
        resolve(answers);
      };
      socket.on('connect', () => end(true));
      socket.on('timeout', () => end(false));
      socket.on('error', ({ code }: NodeJS.ErrnoException) => end(refusals.has(code ?? '')));
    }),
  tcp: (host, port, timeoutMs) =>
    new Promise((resolve) => {
      const socket = connect({ host, port, timeout: timeoutMs });
      const end = (cause: string): void => {
        socket.destroy();
        resolve(cause === '' ? { kind: 'ok' } : { kind: 'failed', cause });
      };
      socket.on('connect', () => end(''));
      socket.on('timeout', () => end('no answer in time'));
      socket.on('error', (error: NodeJS.ErrnoException) => end(causeOf(error)));
    }),
  async tunnels(network, addresses, timeoutMs) {
    const targets = addresses.map((address) => {
      const header = headerBytes[isIPv6(address) ? 'ipv6' : 'ipv4'];
      return { address, sizes: [smallBytes, network.mtu - header] };
    });
    const request = JSON.stringify({ targets, port: closedPort, timeoutMs });
    const { stdout } = await run(
      'nsenter',
      [`--net=${network.namespace}`, process.execPath, '-e', script, request],
      { timeout: timeoutMs + startMsMax },
    );
    return new Map(JSON.parse(stdout) as [string, TunnelProbed][]);
  },
};

function causeOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'the host is there and nobody listens';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to the host';
    default:
      return message;
  }
}
