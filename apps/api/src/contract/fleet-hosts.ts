import { request as httpRequest } from 'node:http';
import type { Identity } from '@shoal/pki';
import type { NodeDescription } from '@shoal/state';
import type { TestHost } from '../testing/hosts.ts';
import type { Exchange } from './recording.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** The place that the API sees, whichever object the host's membership is after a restart. */
export function membershipOf(host: TestHost) {
  return {
    get standing() {
      return host.membership.standing;
    },
    get takingUp() {
      return host.membership.takingUp;
    },
    init: (...asked: Parameters<typeof host.membership.init>) => host.membership.init(...asked),
    join: (...asked: Parameters<typeof host.membership.join>) => host.membership.join(...asked),
    leave: (force: boolean) => host.membership.leave(force),
    unlock: (key: string) => host.membership.unlock(key),
  };
}

export function identityOf({ standing }: TestHost): Identity | undefined {
  switch (standing.kind) {
    case 'manager':
      return standing.manager.identity;
    case 'worker':
    case 'pending':
      return standing.identity;
    default:
      return undefined;
  }
}

/** What the recorded agents told of their hosts, by hostname. */
export function descriptions(recording: readonly Exchange[]): ReadonlyMap<string, NodeDescription> {
  const found = new Map<string, NodeDescription>();
  for (const { req, res } of recording) {
    if (!/\/nodes$/.test(req.path) || !Array.isArray(res.body?.json)) continue;
    for (const { Description } of res.body.json as readonly { Description: NodeDescription }[])
      if (Description.Hostname !== undefined) found.set(Description.Hostname, Description);
  }
  return found;
}

export function ask(
  socketPath: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = httpRequest({ socketPath, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers: told } = response;
        resolve({ status, headers: told, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    call.on('error', reject);
    call.end(body.length === 0 && method !== 'POST' ? undefined : body);
  });
}
