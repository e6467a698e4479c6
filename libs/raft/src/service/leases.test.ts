import { type LogIndex, silentLogger, systemRandom } from '@shoal/runtime';
import { encodePayload, encodeTransaction, type Outcome, State } from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { LeaseKeeper, leaseTtlMs } from './leases.ts';

const id = 'scheduler@node/0';
const claim = { id, stage: 'scheduler', nodeId: 'node', address: '' };

/** One voter's keeper over its state; `restart` gives it a new keeper, as a new process has. */
class Voter {
  readonly clock = new FakeClock();
  readonly state = new State();
  leading = true;
  entries = 0;
  keeper = this.#newKeeper();

  restart(): void {
    this.keeper.stop();
    this.keeper = this.#newKeeper();
  }

  get held(): boolean {
    return this.state.view.leases.get(id) !== undefined;
  }

  #newKeeper(): LeaseKeeper {
    return new LeaseKeeper({
      view: () => this.state.view,
      propose: async (transaction): Promise<Outcome> => {
        this.entries += 1;
        const payload = encodePayload(this.clock.now(), [encodeTransaction(transaction)]);
        const applied = this.state.apply((this.state.view.index + 1) as LogIndex, payload);
        const [outcome] = applied.outcomes;
        if (outcome === undefined) throw new Error('no outcome');
        return outcome;
      },
      leading: () => this.leading,
      clock: this.clock,
      random: systemRandom,
      logger: silentLogger,
    });
  }
}

let voter: Voter;
const lost: string[] = [];
const session = { lost: (reason: string) => void lost.push(reason) };

beforeEach(() => {
  voter = new Voter();
  lost.length = 0;
});

async function granted(): Promise<LogIndex> {
  const result = await voter.keeper.claim(claim, session);
  if (result.kind !== 'granted') throw new Error(result.message);
  return result.epoch;
}

describe('a lease', () => {
  test('costs no entry while it is renewed, and ends one time to live after the last renewal', async () => {
    const epoch = await granted();
    for (let passed = 0; passed < 10 * leaseTtlMs; passed += 1_000) {
      await voter.clock.advance(1_000);
      expect(voter.keeper.renew(id, epoch)).toBe(true);
    }
    expect(voter.entries).toBe(1);
    await voter.clock.advance(leaseTtlMs - 1);
    expect(voter.held).toBe(true);
    await voter.clock.advance(600);
    expect(voter.held).toBe(false);
    expect(lost).toEqual(['the lease was ended']);
    expect(voter.keeper.renew(id, epoch)).toBe(false);
  });

  test('found in the state after a restart gets one fresh time to live', async () => {
    await granted();
    await voter.clock.advance(leaseTtlMs - 500);
    voter.restart();
    await voter.clock.advance(leaseTtlMs - 500);
    expect(voter.held).toBe(true);
    await voter.clock.advance(1_000);
    expect(voter.held).toBe(false);
  });

  test('claimed anew has a new epoch at once, and the old session hears it', async () => {
    const first = await granted();
    const other: string[] = [];
    const result = await voter.keeper.claim(claim, { lost: (reason) => void other.push(reason) });
    expect(result).toMatchObject({ kind: 'granted' });
    expect(voter.state.view.leases.get(id)?.meta.version).toBeGreaterThan(first);
    expect(lost).toEqual(['the lease was claimed by another session']);
    expect(voter.keeper.renew(id, first)).toBe(false);
    await voter.keeper.release(id, first);
    expect(voter.held).toBe(true);
    expect(other).toEqual([]);
  });

  test('is ended by the leader only, and time without leadership counts for nobody', async () => {
    await granted();
    voter.leading = false;
    await voter.clock.advance(10 * leaseTtlMs);
    expect(voter.held).toBe(true);
    voter.leading = true;
    voter.keeper.leadershipGained();
    await voter.clock.advance(leaseTtlMs - 500);
    expect(voter.held).toBe(true);
    await voter.clock.advance(1_000);
    expect(voter.held).toBe(false);
  });
});
