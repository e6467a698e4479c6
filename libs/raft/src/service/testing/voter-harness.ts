import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterCa, NodeRole } from '@shoal/pki';
import type { LogClient, StatusResponse } from '@shoal/proto';
import type { RaftOptions } from '../../node/options.ts';
import type { VoterId } from '../../types.ts';
import { VoterClient } from '../../wire/voter-client.ts';
import { startVoter, type Voter } from '../start-voter.ts';
import type { VoterOptions, VoterTls } from '../worker-protocol.ts';
import { clientProof, newAuthority, proofOf } from './certificates.ts';

const nodeId = 'node000000000000000000000';

/** A cluster of one real voter, on loopback, with a log in a temporary folder. */
export class VoterHarness {
  readonly nodeId = nodeId;
  readonly options: VoterOptions;
  readonly #ca: ClusterCa;
  readonly #clients = new Set<VoterClient>();
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
    const ca = await newAuthority();
    const member = { id: 7 as VoterId, nodeId, addr: '127.0.0.1:1' };
    const options: VoterOptions = {
      dataDir,
      listen: '127.0.0.1:0',
      voterId: 7,
      nodeId,
      membership: { voters: [member], learners: [] },
      tls: await proofOf(ca, nodeId, 'manager'),
      keys: [],
      logLevel: 'error',
      raft,
    };
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

  client(): VoterClient {
    return this.#client(this.options.tls);
  }

  /** A client that proves another role or node. */
  async clientAs(nodeId: string, role: NodeRole): Promise<VoterClient> {
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

  #client(tls: VoterTls): VoterClient {
    const client = clientTo(`127.0.0.1:${this.voter.port}`, tls);
    this.#clients.add(client);
    return client;
  }
}

/** A client of the log at `addr` that proves itself with `tls`. */
export function clientTo(addr: string, tls: VoterTls): VoterClient {
  return new VoterClient(addr, clientProof(tls));
}

/** What the voter says of itself over gRPC. */
export function statusOf(client: LogClient): Promise<StatusResponse> {
  return new Promise((resolve, reject) =>
    client.status({}, (error, response) => (error === null ? resolve(response) : reject(error))),
  );
}
