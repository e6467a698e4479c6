import type { ProposeRequest, ProposeResponse } from '@shoal/proto';
import { newId, systemRandom } from '@shoal/runtime';
import {
  type Change,
  type Cluster,
  encodeTransaction,
  type Node,
  type Transaction,
} from '@shoal/state';
import type { ProposeStream } from '../../wire/protocol.ts';
import type { VoterClient } from '../../wire/voter-client.ts';

/** One stream of proposals, as a test writes to it. */
export class Proposer {
  readonly #call: ProposeStream;
  readonly #waiting = new Map<number, (response: ProposeResponse) => void>();
  #id = 0;
  error: string | undefined;

  constructor(client: VoterClient) {
    this.#call = client.propose();
    this.#call.on('error', (error) => {
      this.error = error.message;
    });
    this.#call.on('data', (response) => this.#waiting.get(response.requestId)?.(response));
  }

  send(body: NonNullable<ProposeRequest['body']>): Promise<ProposeResponse> {
    this.#id += 1;
    const requestId = this.#id;
    this.#call.write({ requestId, body });
    return new Promise((resolve) => this.#waiting.set(requestId, resolve));
  }

  propose(...transactions: Transaction[]): Promise<ProposeResponse> {
    const encoded = transactions.map((each) => Buffer.from(encodeTransaction(each)));
    return this.send({ $case: 'proposal', value: { transactions: encoded } });
  }

  readIndex(): Promise<ProposeResponse> {
    return this.send({ $case: 'readIndex', value: {} });
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

export function transaction(
  changes: readonly Change[],
  more: Partial<Transaction> = {},
): Transaction {
  return {
    id: newId(systemRandom),
    actor: { kind: 'user', name: 'test' },
    reason: 'the test says so',
    decidedAt: 0 as never,
    changes,
    ...more,
  };
}

export function createNode(id: string, more: Partial<Node> = {}): Change {
  const object: Node = {
    id,
    meta: { version: 0, createdAt: 0, updatedAt: 0 } as Node['meta'],
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
    ...more,
  };
  return { op: 'create', table: 'node', object };
}

/** The cluster object, as far as the log looks at it. */
export function createCluster(): Change {
  const sealed = { sealed: '' };
  const object = {
    id: 'cluster',
    meta: { version: 0, createdAt: 0, updatedAt: 0 },
    spec: { Raft: { SnapshotInterval: 10_000 } },
    rootCa: { certificate: '' },
    joinTokens: { worker: sealed, manager: sealed },
    defaultAddressPool: ['10.0.0.0/8'],
    subnetSize: 24,
    dataPathPort: 4789,
  };
  return { op: 'create', table: 'cluster', object: object as unknown as Cluster };
}
