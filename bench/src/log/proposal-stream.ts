import { once } from 'node:events';
import type { ProposeResponse } from '@shoal/proto';
import { type ProposeStream, VoterClient } from '@shoal/raft/client';
import type { VoterTls } from '@shoal/raft/service';

/** As a stage's replica puts them together. */
const requestTransactionsMax = 512;

interface Waiting {
  readonly transaction: Buffer;
  readonly resolve: (index: number) => void;
  readonly reject: (error: Error) => void;
}

/** One stream of proposals to a voter: what is proposed in one turn of the loop leaves in one message. */
export class ProposalStream {
  readonly #client: VoterClient;
  readonly #stream: ProposeStream;
  readonly #underWay = new Map<number, readonly Waiting[]>();
  #queue: Waiting[] = [];
  #requestId = 0;

  private constructor(client: VoterClient) {
    this.#client = client;
    this.#stream = client.propose();
    this.#stream.on('data', (response) => this.#answered(response));
    this.#stream.on('error', (error) => this.#failed(error.message));
    this.#stream.on('end', () => this.#failed('the voter ended the stream'));
  }

  static async open(addr: string, tls: VoterTls): Promise<ProposalStream> {
    const { trustRoots: caCertificate, certificate, key } = tls;
    const stream = new ProposalStream(new VoterClient(addr, { caCertificate, certificate, key }));
    await once(stream.#stream, 'open');
    return stream;
  }

  /** Resolves with the place of the entry that holds it, once that is committed. */
  propose(transaction: Buffer): Promise<number> {
    if (this.#queue.length === 0) queueMicrotask(() => this.#flush());
    return new Promise((resolve, reject) => this.#queue.push({ transaction, resolve, reject }));
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const waiting = this.#queue.splice(0, requestTransactionsMax);
      this.#requestId += 1;
      const requestId = this.#requestId;
      this.#underWay.set(requestId, waiting);
      const transactions = waiting.map(({ transaction }) => transaction);
      const body = { $case: 'proposal', value: { transactions } } as const;
      this.#stream.write({ requestId, body });
    }
  }

  #answered({ requestId, index, error }: ProposeResponse): void {
    const waiting = this.#underWay.get(requestId) ?? [];
    this.#underWay.delete(requestId);
    for (const { resolve, reject } of waiting)
      if (error === undefined) resolve(index);
      else reject(new Error(error.message));
  }

  #failed(reason: string): void {
    for (const { reject } of [...this.#underWay.values()].flat()) reject(new Error(reason));
    this.#underWay.clear();
  }
}
