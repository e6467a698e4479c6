import { addressOf, type Family, familyOf } from '../address/address.ts';
import type { StateObject, TableName, Tables, Task } from '../objects.ts';
import type { AddressHolder, AddressUse } from '../view.ts';
import { type HeldAddress, heldAddresses, keepsNetworks } from './held.ts';

/** Addresses taken in one network. */
class Use implements AddressUse {
  readonly #holders = new Map<string, AddressHolder>();
  readonly #counts: Record<Family, number> = { 4: 0, 6: 0 };

  get size(): number {
    return this.#holders.size;
  }

  count(family: Family): number {
    return this.#counts[family];
  }

  holder(address: string): AddressHolder | undefined {
    return this.#holders.get(address);
  }

  addresses(): Iterable<string> {
    return this.#holders.keys();
  }

  take(address: string, holder: AddressHolder): void {
    if (!this.#holders.has(address)) this.#counts[familyOf(address)] += 1;
    this.#holders.set(address, holder);
  }

  give(address: string, { table, id }: AddressHolder): void {
    const holder = this.#holders.get(address);
    if (holder?.id !== id || holder.table !== table) return;
    this.#holders.delete(address);
    this.#counts[familyOf(address)] -= 1;
  }
}

const nothing: AddressUse = new Use();

/** Who has which address of which network. */
export class AddressTable {
  readonly #networks = new Map<string, Use>();

  of(networkId: string): AddressUse {
    return this.#networks.get(networkId) ?? nothing;
  }

  moved<T extends TableName>(
    table: T,
    before: Tables[T] | undefined,
    after: Tables[T] | undefined,
  ): void {
    if (table === 'task' && keepsNetworks(before as Task | undefined, after as Task | undefined))
      return;
    const had = before === undefined ? none : heldAddresses(table, before);
    const has = after === undefined ? none : heldAddresses(table, after);
    if (had !== has && !sameAddresses(had, has)) {
      const { id } = (after ?? before) as StateObject;
      const holder = { table, id } as AddressHolder;
      for (const { networkId, address } of had) this.#give(networkId, addressOf(address), holder);
      for (const { networkId, address } of has) this.#take(networkId, addressOf(address), holder);
    }
  }

  #take(networkId: string, address: string, holder: AddressHolder): void {
    let use = this.#networks.get(networkId);
    if (use === undefined) {
      use = new Use();
      this.#networks.set(networkId, use);
    }
    use.take(address, holder);
  }

  #give(networkId: string, address: string, holder: AddressHolder): void {
    const use = this.#networks.get(networkId);
    use?.give(address, holder);
    if (use?.size === 0) this.#networks.delete(networkId);
  }
}

const none: readonly HeldAddress[] = [];

function sameAddresses(a: readonly HeldAddress[], b: readonly HeldAddress[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ networkId, address }, at) => {
      const other = b[at];
      return networkId === other?.networkId && address === other.address;
    })
  );
}
