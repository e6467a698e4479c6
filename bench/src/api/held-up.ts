import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { quantile } from '../log/quantile.ts';
import { HttpConnection, requestBytes } from './http-connection.ts';

/** How long small requests wait while long lists are read. */
export interface Waits {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** Asks for `path`, over and over for `durationMs`, while another process reads `list` over and over. */
export async function waitsWhileListing(
  socket: string,
  list: string,
  path: string,
  durationMs: number,
): Promise<Waits> {
  const reader = spawn(
    process.execPath,
    ['--conditions=@shoal/source', join(import.meta.dirname, 'reader.ts'), socket, list],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const connection = await HttpConnection.open(socket);
  try {
    const [told] = (await once(reader.stdout, 'data')) as [Buffer];
    if (!told.toString().startsWith('200 ')) throw new Error(`GET ${list}: ${told.toString()}`);
    reader.stdout.resume();
    return await waitsOf(connection, path, durationMs);
  } finally {
    connection.close();
    reader.kill('SIGKILL');
  }
}

/** One client that asks, waits for the answer, and asks again. */
export async function waitsOf(
  connection: HttpConnection,
  path: string,
  durationMs: number,
): Promise<Waits> {
  const request = requestBytes('GET', path);
  const waits: number[] = [];
  const end = performance.now() + durationMs;
  for (let begin = performance.now(); begin < end; begin = performance.now()) {
    await connection.send(request);
    waits.push(performance.now() - begin);
  }
  waits.sort((a, b) => a - b);
  const longestMs = waits.at(-1) ?? 0;
  return { p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99), longestMs };
}
