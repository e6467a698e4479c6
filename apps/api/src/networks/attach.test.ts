import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { type HostNetworksServer, HostNetworksService } from '@shoal/proto';
import { systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { agentAttach } from './attach.ts';

let directory: string;
let server: Server;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-attach-'));
  server = new Server();
});
afterEach(() => {
  server.forceShutdown();
  rmSync(directory, { recursive: true, force: true });
});

async function listen(socket: string): Promise<void> {
  const fakeAgent: HostNetworksServer = {
    follow: () => undefined,
    attach: ({ request: { network } }, answer) => {
      if (network === 'broken') return answer({ code: status.INTERNAL, details: 'it is broken' });
      const isKnown = network === 'demo';
      answer(null, {
        engineNetwork: isKnown ? 'demo-1' : '',
        problem: isKnown ? '' : `network ${network} not found`,
        nameservers: isKnown ? ['10.0.1.1'] : [],
      });
    },
  };
  server.addService(HostNetworksService, fakeAgent);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

test('the agent says what the engine calls the network, or what is wrong', async () => {
  const socket = join(directory, 'networks.sock');
  const attach = agentAttach(socket, systemClock);
  expect(await attach('demo')).toEqual({
    kind: 'refused',
    problem: 'the agent of this host does not run',
  });
  await listen(socket);
  expect(await attach('demo')).toEqual({
    kind: 'attached',
    engineNetwork: 'demo-1',
    nameservers: ['10.0.1.1'],
  });
  expect(await attach('nope')).toEqual({ kind: 'refused', problem: 'network nope not found' });
  expect(await attach('broken')).toMatchObject({
    kind: 'refused',
    problem: expect.stringContaining('it is broken'),
  });
});
