import { encodeTransaction, type Lease, type Meta } from '@shoal/state';
import { valueBytes } from './points.ts';

/** What stands for the version in a template: as wide as the largest, which JSON's spaces fill up. */
const versionMax = Number.MAX_SAFE_INTEGER;
const width = String(versionMax).length;
const value = 'x'.repeat(valueBytes);

/** The object that proposer `number` writes. */
export function objectId(number: number): string {
  return `bench/${number}`;
}

/** A proposer's write but for the version it read: a load generator must cost little beside what it measures. */
export class WriteTemplate {
  readonly #create: Buffer;
  readonly #update: Buffer;
  readonly #places: readonly number[];

  constructor(number: number) {
    this.#create = transactionOf(number, 'create', 0);
    this.#update = transactionOf(number, 'update', versionMax);
    const text = this.#update.toString('latin1');
    const places: number[] = [];
    for (let at = text.indexOf(String(versionMax)); at >= 0; ) {
      places.push(at);
      at = text.indexOf(String(versionMax), at + width);
    }
    this.#places = places;
  }

  /** The transaction, when the object has this version; 0 when there is none yet. */
  write(version: number): Buffer {
    if (version === 0) return this.#create;
    const bytes = Buffer.from(this.#update);
    const text = String(version).padStart(width);
    for (const at of this.#places) bytes.write(text, at, 'latin1');
    return bytes;
  }
}

function transactionOf(number: number, op: 'create' | 'update', version: number): Buffer {
  const meta = { version, createdAt: 0, updatedAt: 0 } as Meta;
  const id = objectId(number);
  const object: Lease = { id, meta, stage: 'bench', nodeId: '', address: value };
  return Buffer.from(
    encodeTransaction({
      id,
      actor: { kind: 'system', name: 'bench' },
      reason: '',
      decidedAt: meta.version,
      changes: [{ op, table: 'lease', object }],
    }),
  );
}
