import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below what the kernel gives to connections that name no port: nobody takes one by chance until it is used. */
const portMin = 10_000;
const portMax = 20_000;
const triesMax = 100;

/** A TCP port that nobody has at the address; for servers that are to be found there again. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = randomInt(portMin, portMax);
    if (await isFree(address, port)) return port;
  }
  throw new Error(`no free port between ${portMin} and ${portMax}`);
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
