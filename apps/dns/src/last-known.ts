import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HostNetworkChange, HostTable } from '@shoal/overlay';
import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';

/** Pause between a change and the disk, milliseconds: changes come in groups. */
const writeAfterMs = 500;
const formatVersion = 1;

const texts = z.array(z.string());
const port = z.object({
  protocol: z.enum(['tcp', 'udp', 'sctp']),
  targetPort: z.number(),
  publishedPort: z.number(),
});
const record = z.object({
  networkId: z.string(),
  endpointId: z.string(),
  kind: z.enum(['task', 'container', 'balancer']),
  nodeId: z.string(),
  vtep: z.string(),
  addresses: texts,
  name: z.string(),
  containerAliases: texts,
  slot: z.number(),
  service: z
    .object({
      id: z.string(),
      name: z.string(),
      aliases: texts,
      mode: z.enum(['vip', 'dnsrr']),
      virtualIps: texts,
      ports: z.array(port),
    })
    .optional(),
  serving: z.boolean(),
});
const network = z.object({
  id: z.string(),
  name: z.string(),
  namespace: z.string(),
  subnets: z.array(z.object({ subnet: z.string(), gateway: z.string(), vni: z.number() })),
  internal: z.boolean(),
  ingress: z.boolean(),
  mtu: z.number(),
  balancerAddresses: texts,
  upstreams: texts,
  local: z.array(
    z.object({
      endpointId: z.string(),
      sandbox: z.string(),
      mac: z.string(),
      addresses: texts,
      networks: texts,
      upstreams: texts.optional(),
    }),
  ),
});
const file = z.object({
  version: z.literal(formatVersion),
  networks: z.array(z.object({ network, records: z.array(record) })),
});

/** Where the last known networks are kept. */
export function lastKnownFile(dataDir: string): string {
  return join(dataDir, 'dns', 'networks.json');
}

/** What was served last, for the first moments after a restart. Nothing when it cannot be read. */
export async function readLastKnown(
  path: string,
  logger: Logger,
): Promise<readonly HostNetworkChange[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return [];
  }
  try {
    const { networks } = file.parse(JSON.parse(text));
    return networks.map((each) => ({ id: each.network.id, complete: true, gone: [], ...each }));
  } catch (error) {
    logger.warn({ path, reason: errorMessage(error) }, 'last_known_unusable');
    return [];
  }
}

/** Keeps what is served on the disk, a moment later, one write at a time. */
export class LastKnownWriter {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tables: () => Iterable<HostTable>;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly path: string;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly tables: () => Iterable<HostTable>;
  }) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#tables = options.tables;
  }

  /** Something changed. */
  changed(): void {
    this.#timer ??= this.#clock.after(writeAfterMs, () => this.#write());
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    const pending = this.#timer !== undefined;
    this.#timer?.cancel();
    if (pending) this.#write();
    await this.#writing;
  }

  #write(): void {
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const networks = [...this.#tables()].map((table) => ({
        network: table.network,
        records: [...table.records.values()],
      }));
      try {
        await mkdir(dirname(this.#path), { recursive: true });
        await replaceFile(this.#path, JSON.stringify({ version: formatVersion, networks }));
      } catch (error) {
        // Names go on; only the next restart has to wait for the agent.
        this.#logger.warn(
          { path: this.#path, reason: errorMessage(error) },
          'last_known_unwritten',
        );
      }
    });
  }
}
