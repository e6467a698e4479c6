import { createServer } from 'node:http';
import { type Logger, silentLogger } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { listenTcp } from './listen.ts';
import { TestAuthority } from './tls/testing/authority.ts';
import { FakeTimers } from './tls/testing/fake-timers.ts';

const tlscacert = '/ca.pem';

test.each<[string, 'plain' | { readonly tlscacert: string | undefined }, boolean]>([
  ['0.0.0.0', 'plain', true],
  ['::', 'plain', true],
  ['127.0.0.1', 'plain', false],
  ['127.0.0.2', 'plain', false],
  ['localhost', 'plain', false],
  ['0.0.0.0', { tlscacert: undefined }, true],
  ['127.0.0.1', { tlscacert: undefined }, false],
  ['0.0.0.0', { tlscacert }, false],
])('a port at %s, %j, is warned of: %s', async (host, protection, isWarnedOf) => {
  const warnings: unknown[] = [];
  const warn: Logger['warn'] = (fields, event) => void warnings.push([event, fields]);
  const { clock } = new FakeTimers();
  const authority = await TestAuthority.create();
  const certificates = { ...(await authority.issue()), ca: authority.certificate };
  const files = { tlscert: '/cert.pem', tlskey: '/key.pem' };
  const { port, close } = await listenTcp(createServer(), {
    at: { host, port: 0 },
    protection:
      protection === 'plain' ? undefined : { files: { ...files, ...protection }, certificates },
    clock,
    logger: { ...silentLogger, warn },
  });
  await close();
  expect(port).toBeGreaterThan(0);
  const reason =
    'without --tlsverify this port gives root on this host to everybody who can reach it';
  const tcp = host === '::' ? '[::]:0' : `${host}:0`;
  expect(warnings).toEqual(isWarnedOf ? [['tcp_unprotected', { tcp, reason }]] : []);
});
