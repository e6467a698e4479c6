/** Reads one path again and again, in a process of its own, until it is killed. */
import { HttpConnection, requestBytes } from './http-connection.ts';

const [socket, path] = process.argv.slice(2);
if (socket === undefined || path === undefined)
  throw new Error('a reader needs a socket and a path');
const connection = await HttpConnection.open(socket);
const request = requestBytes('GET', path);
for (;;) {
  const { status, bytes } = await connection.send(request);
  process.stdout.write(`${status} ${bytes}\n`);
}
