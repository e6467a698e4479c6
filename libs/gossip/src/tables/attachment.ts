import type { TableRecord } from './record.ts';

/** Bytes of the time in the value of an attachment. */
const timeBytes = 8;

/** Value of the record that says that its owner is in a network, after it left at `leftAt`; 0 for never. */
export function attachment(leftAt: number): Uint8Array {
  const value = Buffer.alloc(timeBytes);
  value.writeBigUInt64BE(BigInt(leftAt));
  return value;
}

/**
 * Records of the network that the host wrote up to then went when it left, also for who heard of its return
 * alone. 0 when there are none.
 */
export function voidUpTo({ time, value }: Pick<TableRecord, 'time' | 'value'>): number {
  if (value === undefined) return time;
  return value.length === timeBytes ? Number(Buffer.from(value).readBigUInt64BE()) : 0;
}

/** Who is in which network, as far as hosts have said so. */
export class Attachments {
  readonly #owners = new Map<string, Set<string>>();

  /** Hosts in the network. */
  in(networkId: string): ReadonlySet<string> {
    return this.#owners.get(networkId) ?? new Set();
  }

  set(owner: string, networkId: string, isIn: boolean): void {
    const owners = this.#owners.get(networkId);
    if (!isIn) {
      owners?.delete(owner);
      if (owners?.size === 0) this.#owners.delete(networkId);
    } else if (owners === undefined) this.#owners.set(networkId, new Set([owner]));
    else owners.add(owner);
  }
}
