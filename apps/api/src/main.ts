import { parseEngineAddress } from '@shoal/link/proxy';
import { invariant, isLoopback, parseHostPort, version } from '@shoal/runtime';
import { hostPort, runProcess } from '@shoal/runtime/process';
import { z } from 'zod';
import { startApi } from './api.ts';
import { readCertificates } from './http/tls/certificates.ts';
import type { TlsProtection } from './http/tls/door.ts';
import { chooseTls, type TlsFlags } from './http/tls/flags.ts';

const schema = z.object({
  socket: z
    .string()
    .regex(/^\//, 'must be an absolute path')
    .default('/run/shoal/docker.sock')
    .describe('where the Docker API is served'),
  tcp: hostPort
    .optional()
    .describe('also serve the Docker API here; open to whoever reaches it without --tlsverify'),
  tls: z
    .boolean()
    .optional()
    .describe('TLS on the TCP port: clients know the server, and need no certificate themselves'),
  tlsverify: z
    .boolean()
    .optional()
    .describe('TLS on the TCP port, for clients with a certificate of --tlscacert only'),
  tlscacert: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file: the authority that issues the certificates of clients'),
  tlscert: z.string().min(1).optional().describe("PEM file: the server's certificate"),
  tlskey: z.string().min(1).optional().describe('PEM file: the key of that certificate'),
  dashboard: z
    .string()
    .refine(
      (text) => text === 'off' || isLoopback(parseHostPort(text)?.host ?? ''),
      'must be off, or on 127.0.0.1 or [::1]: it speaks no TLS, from afar it is reached by ssh -L or behind a proxy',
    )
    .default('off')
    .describe('where the dashboard is served, such as 127.0.0.1:9379, or off'),
  listen: hostPort.default('0.0.0.0:2377').describe('cluster port'),
  dispatcherListen: hostPort.default('0.0.0.0:2378').describe("agents' sessions"),
  readLease: z.coerce
    .number()
    .int()
    .min(0)
    .max(400)
    .default(0)
    .describe(
      'milliseconds for which the leader reads without asking the others; 0: it always asks',
    ),
  engine: z
    .string()
    .refine(
      (text) => parseEngineAddress(text) !== undefined,
      'must look like unix:///var/run/docker.sock or tcp://127.0.0.1:2375',
    )
    .default('unix:///var/run/docker.sock')
    .describe('Docker Engine of this host'),
});

await runProcess({
  name: 'api',
  version,
  schema,
  async start(context) {
    const { config } = context;
    const protection = await protectionOf(config);
    const engine = parseEngineAddress(config.engine);
    const listen = parseHostPort(config.listen);
    const dispatcherListen = parseHostPort(config.dispatcherListen);
    invariant(engine && listen && dispatcherListen, 'a checked flag is not valid');
    return startApi({
      ...context,
      dataDir: config.dataDir,
      runDir: config.runDir,
      logLevel: config.logLevel,
      readLeaseMs: config.readLease,
      socket: config.socket,
      tcp: config.tcp === undefined ? undefined : parseHostPort(config.tcp),
      protection,
      dashboard: config.dashboard === 'off' ? undefined : parseHostPort(config.dashboard),
      listen,
      dispatcherListen,
      engine,
      engineText: config.engine,
    });
  },
});

/** Undefined where none is asked for. @throws one sentence for people, when it is and cannot be given. */
async function protectionOf(flags: TlsFlags): Promise<TlsProtection | undefined> {
  const choice = chooseTls(flags);
  if (choice.kind === 'refused') throw new Error(choice.message);
  if (choice.kind === 'plain') return undefined;
  const { files } = choice;
  const found = await readCertificates(files);
  if (found.kind === 'refused') throw new Error(found.message);
  return { files, certificates: found.certificates };
}
