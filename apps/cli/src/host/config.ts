import { isLoopback, parseHostPort } from '@shoal/runtime';
import { z } from 'zod';

const address = z
  .string()
  .refine((text) => parseHostPort(text) !== undefined, 'must look like 0.0.0.0:2377 or [::]:2377');
const absolute = z.string().regex(/^\//, 'must be an absolute path');

/** How one host is set up: what `shoal up` takes as flags. */
export const hostConfig = z.object({
  dataDir: absolute,
  runDir: absolute,
  /** Where the Docker API is served. */
  socket: absolute,
  /** Cluster port: join, CA, log. */
  listen: address,
  /** Agents' sessions. */
  dispatcherListen: address,
  /** The local Docker Engine. */
  engine: z
    .string()
    .regex(/^(unix:\/\/\/.+|tcp:\/\/[^/]+:\d+)$/, 'must look like unix:///var/run/docker.sock'),
  /** Admin port of the first process; the others follow. */
  metricsPortBase: z.number().int().min(1).max(65_000),
  /** Where the dashboard is served, or `off`. */
  dashboard: z
    .string()
    .refine(
      (text) => text === 'off' || isLoopback(parseHostPort(text)?.host ?? ''),
      'must be off, or on 127.0.0.1 or [::1]: it speaks no TLS, from afar it is reached by ssh -L or behind a proxy',
    ),
});

export type HostConfig = z.output<typeof hostConfig>;

/** A flag of `shoal up`: the key it sets, and what the help says of it. */
export interface HostFlag {
  readonly key: keyof HostConfig;
  readonly flag: string;
  readonly value: string;
  readonly about: string;
  readonly fallback: string;
}

export const defaultDataDir = '/var/lib/shoal';
export const defaultRunDir = '/run/shoal';
/** Of the processes of a host: one each. */
const adminPorts = 8;
export const defaultEngine = 'unix:///var/run/docker.sock';

export const hostFlags: readonly HostFlag[] = [
  {
    key: 'dataDir',
    flag: '--data-dir',
    value: 'path',
    about: 'where state and logs are kept',
    fallback: defaultDataDir,
  },
  {
    key: 'runDir',
    flag: '--run-dir',
    value: 'path',
    about: 'where sockets and pid files are',
    fallback: defaultRunDir,
  },
  {
    key: 'socket',
    flag: '--socket',
    value: 'path',
    about: 'Docker API socket (default: docker.sock in the run directory)',
    fallback: '',
  },
  {
    key: 'listen',
    flag: '--listen',
    value: 'host:port',
    about: 'cluster port',
    fallback: '0.0.0.0:2377',
  },
  {
    key: 'dispatcherListen',
    flag: '--dispatcher-listen',
    value: 'host:port',
    about: "agents' sessions",
    fallback: '0.0.0.0:2378',
  },
  {
    key: 'engine',
    flag: '--engine',
    value: 'url',
    about: 'Docker Engine of this host',
    fallback: defaultEngine,
  },
  {
    key: 'metricsPortBase',
    flag: '--metrics-port-base',
    value: 'port',
    about: 'first of eight ports on 127.0.0.1 for metrics and health',
    fallback: '9371',
  },
  {
    key: 'dashboard',
    flag: '--dashboard',
    value: 'host:port',
    about: 'where the dashboard is served, or off (default: on 127.0.0.1, after the eight)',
    fallback: '',
  },
];

export type HostConfigOutcome =
  | { readonly kind: 'config'; readonly config: HostConfig }
  | { readonly kind: 'invalid'; readonly message: string };

/** Makes a config of flag texts; what is absent takes its default. */
export function readHostConfig(
  texts: Readonly<Partial<Record<keyof HostConfig, string>>>,
): HostConfigOutcome {
  const raw: Record<string, unknown> = {};
  for (const { key, fallback } of hostFlags) raw[key] = texts[key] ?? fallback;
  if (raw['socket'] === '')
    raw['socket'] = `${String(raw['runDir']).replace(/\/+$/, '')}/docker.sock`;
  const portBase = Number(raw['metricsPortBase']);
  raw['metricsPortBase'] = portBase;
  if (raw['dashboard'] === '') raw['dashboard'] = `127.0.0.1:${portBase + adminPorts}`;
  const parsed = hostConfig.safeParse(raw);
  if (parsed.success) return { kind: 'config', config: parsed.data };
  const issue = parsed.error.issues[0];
  const broken = hostFlags.find(({ key }) => key === issue?.path[0]);
  const given = broken === undefined ? '' : (texts[broken.key] ?? broken.fallback);
  return {
    kind: 'invalid',
    message: `${broken?.flag}=${given} does not do: ${issue?.message ?? 'is not valid'}`,
  };
}

/** The flags that make this config again. */
export function hostArguments(config: HostConfig): readonly string[] {
  return hostFlags.map(({ key, flag }) => `${flag}=${config[key]}`);
}
