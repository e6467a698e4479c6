/**
 * Starts the process of this image, and gives it what tells it apart from its replicas on the same
 * host: `docker compose up --scale scheduler=3` starts three with one and the same environment.
 *
 * Each takes the lowest number that is free and holds it by an abstract socket, which the kernel
 * frees when the process ends, however it ends. So a replica that is restarted gets its number, and
 * with it its lease, back. The name is that of the network namespace: the host's, as all share it.
 */
import { createServer } from 'node:net';

/** More replicas of one process on a host than anybody starts. */
const instancesMax = 64;
const main = new URL('./main.mjs', import.meta.url);
const app = process.env.SHOAL_APP ?? 'app';

/** @returns {Promise<boolean>} whether the number was free, and is ours from now on */
function take(number) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(`\0shoal/${app}/${number}`, () => {
      server.unref();
      resolve(true);
    });
  });
}

async function takeNumber() {
  for (let number = 0; number < instancesMax; number += 1) {
    if (await take(number)) return number;
  }
  process.stderr.write(`shoal ${app}: ${instancesMax} of it run on this host already\n`);
  process.exit(1);
}

if (process.env.SHOAL_INSTANCE === undefined) {
  const number = await takeNumber();
  process.env.SHOAL_INSTANCE = String(number);
  // The first has the port people know; the others' are in the run directory.
  if (number > 0) process.env.SHOAL_METRICS_LISTEN ??= '127.0.0.1:0';
}
await import(main.href);
