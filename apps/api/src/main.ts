import { parseEngineAddress } from '@shoal/link/proxy';
import { invariant, parseHostPort, version } from '@shoal/runtime';
import { hostPort, runProcess } from '@shoal/runtime/process';
import { z } from 'zod';
import { startApi } from './api.ts';

const schema = z.object({
  socket: z
    .string()
    .regex(/^\//, 'must be an absolute path')
    .default('/run/shoal/docker.sock')
    .describe('where the Docker API is served'),
  tcp: hostPort.optional().describe('also serve the Docker API here, without any protection'),
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
  start(context) {
    const { config } = context;
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
      listen,
      dispatcherListen,
      engine,
      engineText: config.engine,
    });
  },
});
