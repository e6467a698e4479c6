import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClusterCa,
  channelCredentials,
  channelOptions,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  type NodeRole,
} from '@shoal/pki';
import { LogClient, type StatusResponse } from '@shoal/proto';
import { systemClock, systemRandom } from '@shoal/runtime';
import type { RaftOptions } from '../../node/options.ts';
import { startVoter, type Voter } from '../start-voter.ts';
import type { VoterOptions, VoterTls } from '../worker-protocol.ts';

export const testClusterId = 'cluster0000000000000000000';
const nodeId = 'node000000000000000000000';

/** A cluster of one real voter, on loopback, with a log in a temporary folder. */
export class VoterHarness {
  readonly nodeId = nodeId;
  readonly options: VoterOptions;
  readonly #ca: ClusterCa;
  readonly #clients = new Set<LogClient>();
  #port = 0;
  voter: Voter;

  private constructor(options: VoterOptions, ca: ClusterCa, voter: Voter) {
    this.options = options;
    this.#ca = ca;
    this.voter = voter;
  }

  /** `raft` goes over the log's defaults. */
  static async start(raft: Partial<RaftOptions> = {}): Promise<VoterHarness> {
    const dataDir = await mkdtemp(join(tmpdir(), 'shoal-voter-'));
    const ca = await createClusterCa(systemClock.now(), systemRandom);
    const tls = await proofOf(ca, nodeId, 'manager');
    const listen = '127.0.0.1:0';
    const options: VoterOptions = { dataDir, listen, voterId: 7, tls, logLevel: 'error', raft };
    return new VoterHarness(options, ca, await startVoter(options));
  }

  /** Ends the voter as a crash would; {@link restart} brings it back. */
  async crash(): Promise<void> {
    this.#port = this.voter.port;
    await this.voter.kill();
  }

  /** Starts the voter again with the same log at the same address. */
  async restart(): Promise<void> {
    this.voter = await startVoter({ ...this.options, listen: `127.0.0.1:${this.#port}` });
  }

  client(): LogClient {
    return this.#client(this.options.tls);
  }

  /** A client that proves another role or node. */
  async clientAs(nodeId: string, role: NodeRole): Promise<LogClient> {
    return this.#client(await proofOf(this.#ca, nodeId, role));
  }

  /** A new certificate for the harness's node. */
  proof(role: NodeRole): Promise<VoterTls> {
    return proofOf(this.#ca, this.nodeId, role);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.voter.stop();
    await rm(this.options.dataDir, { recursive: true, force: true });
  }

  #client(tls: VoterTls): LogClient {
    const address = `127.0.0.1:${this.voter.port}`;
    const client = new LogClient(address, channelCredentials(tls), channelOptions('manager'));
    this.#clients.add(client);
    return client;
  }
}

async function proofOf(ca: ClusterCa, nodeId: string, role: NodeRole): Promise<VoterTls> {
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca,
    request,
    subject: { nodeId, role, clusterId: testClusterId },
    now: systemClock.now(),
    random: systemRandom,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  const { certificate } = issued;
  return { clusterId: testClusterId, caCertificate: ca.certificate, certificate, key };
}

/** What the voter says of itself over gRPC. */
export function statusOf(client: LogClient): Promise<StatusResponse> {
  return new Promise((resolve, reject) =>
    client.status({}, (error, response) => (error === null ? resolve(response) : reject(error))),
  );
}

/** Resolves once `condition` holds. @throws after `deadlineMs`. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 10_000,
): Promise<void> {
  const end = systemClock.monotonic() + deadlineMs;
  while (!(await condition())) {
    if (systemClock.monotonic() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise<void>((resolve) => systemClock.after(10, resolve));
  }
}
