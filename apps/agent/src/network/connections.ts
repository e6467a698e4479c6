import { readFile } from 'node:fs/promises';

/** `/proc/net/tcp`: columns of the local address and of the state, and the states that matter. */
const columns = { local: 1, state: 3 } as const;
const established = '01';
const synReceived = '03';
const listening = '0A';

/**
 * Connections to ports that are listened on, those included that nobody has accepted yet. What the
 * container itself has opened to others does not count.
 * @param tables contents of `/proc/<pid>/net/tcp` and `tcp6`.
 */
export function countIncoming(tables: readonly string[]): number {
  const sockets = tables.flatMap((table) => table.split('\n').slice(1).flatMap(readLine));
  const open = new Set(sockets.flatMap(({ port, state }) => (state === listening ? port : [])));
  const isOn = (state: string): boolean => state === established || state === synReceived;
  return sockets.filter(({ port, state }) => isOn(state) && open.has(port)).length;
}

/** Connections that others have to the network namespace of a process; 0 when it is gone. */
export async function incomingConnections(pid: number): Promise<number> {
  const read = (name: string): Promise<string> =>
    readFile(`/proc/${pid}/net/${name}`, 'utf8').catch(() => '');
  return countIncoming(await Promise.all([read('tcp'), read('tcp6')]));
}

function readLine(line: string): { readonly port: string; readonly state: string }[] {
  const fields = line.trim().split(/\s+/);
  const port = fields[columns.local]?.split(':')[1];
  const state = fields[columns.state];
  return port === undefined || state === undefined ? [] : [{ port, state }];
}
