import { newId, silentLogger } from '@shoal/runtime';
import { encodeTransaction, type Transaction } from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ProposalResult } from '../replica.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { FakeRandom } from '../testing/fake-random.ts';
import { FakeVoters, type Fate, noLeader } from '../testing/fake-voters.ts';
import { nodeChange } from '../testing/objects.ts';
import { behindMsMax, outcomeMsMax, RemoteReplica, unsentMsMax } from './remote-replica.ts';

const voterCount = 3;

/** A replica among fake voters; what happens to messages comes from `fates`, and in the end all goes well. */
class Scene {
  readonly clock = new FakeClock();
  readonly random = new FakeRandom(1);
  readonly fates: Fate[];
  readonly voters: FakeVoters;
  readonly replica: RemoteReplica;
  #next = 0;

  constructor(fates: readonly Fate[] = [], prompt = false) {
    this.fates = [...fates];
    this.voters = new FakeVoters(this.clock, voterCount, () => this.fates.shift() ?? 'taken');
    this.replica = new RemoteReplica({
      // Each attempt goes to the next voter.
      client: () => this.voters.client(this.#next++ % voterCount),
      follower: 'test',
      prompt,
      nextTurn: (act) => this.clock.after(0, act),
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
    });
  }

  transaction(id: string, name: string): Transaction {
    return {
      id: newId(this.random),
      actor: { kind: 'user', name: 'test' },
      reason: 'the test says so',
      decidedAt: this.replica.view.index,
      changes: [nodeChange(this.replica.view, id, name)],
    };
  }

  /** Somebody else creates the node, or takes it away. */
  toggle(id: string): void {
    const node = this.voters.view.nodes.get(id);
    const transaction: Transaction = {
      ...this.transaction(id, 'other'),
      changes:
        node === undefined
          ? [nodeChange(this.voters.view, id, 'other')]
          : [{ op: 'delete', table: 'node', id, version: node.meta.version }],
    };
    this.voters.commit([Buffer.from(encodeTransaction(transaction))]);
  }

  propose(...transactions: readonly Transaction[]): { result: ProposalResult | undefined } {
    const held: { result: ProposalResult | undefined } = { result: undefined };
    void this.replica.propose(transactions).then((result) => {
      held.result = result;
    });
    return held;
  }
}

describe('a proposal', () => {
  const cases: readonly [fates: readonly Fate[], copies: number][] = [
    [['taken'], 1],
    [['no-leader', 'busy', 'taken'], 1],
    [['unsaid', 'taken'], 1],
    [['unknown', 'taken'], 1],
    [['dropped', 'taken'], 1],
    [['late', 'taken'], 2],
    [['late', 'no-leader', 'late', 'dropped', 'unknown', 'taken'], 3],
  ];
  test.each(cases)('counts once when its copies are %j', async (fates, copies) => {
    const scene = new Scene();
    await scene.clock.advance(100);
    scene.fates.push(...fates);
    const transaction = scene.transaction('a', 'a');
    const held = scene.propose(transaction);
    await scene.clock.advance(3_000);
    expect(held.result, JSON.stringify(held.result)).toMatchObject({
      kind: 'applied',
      outcomes: [{ kind: 'committed' }],
    });
    expect(scene.replica.view.nodes.get('a')).toBeDefined();
    const outcomes = scene.voters.of(transaction);
    expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(1);
    expect(outcomes.length).toBeLessThanOrEqual(copies);
    scene.replica.stop();
  });

  test('without a leader ends with how many managers are missing', async () => {
    const scene = new Scene(new Array<Fate>(1_000).fill('no-leader'));
    const held = scene.propose(scene.transaction('a', 'a'));
    const caught = scene.replica.catchUp();
    await scene.clock.advance(outcomeMsMax);
    const failed = { kind: 'failed', code: 'no-leader', message: noLeader };
    expect(held.result).toEqual(failed);
    expect(await caught).toEqual(failed);
    scene.replica.stop();
  });

  test('with no voter in reach ends with the reason', async () => {
    const scene = new Scene();
    for (let at = 0; at < voterCount; at += 1) scene.voters.crash(at);
    const held = scene.propose(scene.transaction('a', 'a'));
    const caught = scene.replica.catchUp();
    await scene.clock.advance(unsentMsMax + 500);
    const message = 'the log cannot be reached: connection refused';
    expect(held.result).toMatchObject({ kind: 'failed', message });
    expect(await caught).toEqual({ kind: 'failed', code: 'no-leader', message });
    scene.replica.stop();
  });
});

test.each([
  { prompt: true, messages: 2 },
  { prompt: false, messages: 4 },
])('four proposals, one turn after the other, leave in messages: %o', async (shape) => {
  const scene = new Scene([], shape.prompt);
  await scene.clock.advance(100);
  const before = scene.voters.committed;
  const all: ReturnType<Scene['propose']>[] = [];
  for (const id of ['a', 'b', 'c', 'd']) {
    all.push(scene.propose(scene.transaction(id, id)));
    await scene.clock.advance(0);
  }
  await scene.clock.advance(100);
  for (const { result } of all) expect(result).toMatchObject({ kind: 'applied' });
  expect(scene.voters.committed - before).toBe(shape.messages);
  scene.replica.stop();
});

describe('a read', () => {
  test('is asked again while there is no leader', async () => {
    const scene = new Scene(['no-leader', 'no-leader']);
    const caught = scene.replica.catchUp();
    await scene.clock.advance(unsentMsMax - 100);
    expect(await caught).toMatchObject({ kind: 'caught-up' });
    scene.replica.stop();
  });

  test('leaves a voter that is cut off for another, and the state never goes back', async () => {
    const scene = new Scene();
    await scene.clock.advance(100);
    scene.propose(scene.transaction('a', 'a'));
    await scene.clock.advance(100);
    const followed = [0, 1, 2].findIndex((at) => scene.voters.followers(at) > 0);
    scene.voters.cutOff(followed, true);
    scene.toggle('b');
    const caught = scene.replica.catchUp();
    await scene.clock.advance(behindMsMax + 1_000);
    expect(await caught).toMatchObject({ kind: 'caught-up', index: scene.voters.committed });
    expect(scene.voters.followers(followed)).toBe(0);
    const events: string[] = [];
    scene.replica.subscribe(({ kind }) => events.push(kind));
    // Back to the one that is behind: it has nothing to tell until it is further on.
    for (const at of [0, 1, 2]) if (at !== followed) scene.voters.crash(at);
    await scene.clock.advance(2_000);
    expect(scene.voters.followers(followed)).toBe(1);
    expect(scene.replica.view.index).toBe(scene.voters.committed);
    scene.voters.cutOff(followed, false);
    scene.toggle('b');
    await scene.clock.advance(100);
    expect(scene.replica.view.index).toBe(scene.voters.committed);
    expect(events).toEqual(['applied']);
    scene.replica.stop();
  });
});

type Move =
  | { readonly kind: 'propose'; readonly nodes: readonly string[] }
  | { readonly kind: 'toggle'; readonly node: string }
  | { readonly kind: 'crash' | 'restart' | 'cut' | 'heal'; readonly voter: number }
  | { readonly kind: 'compact' | 'reconnect' | 'settle' }
  | { readonly kind: 'wait'; readonly ms: number };

const node = fc.constantFrom('a', 'b', 'c');
const voter = fc.nat({ max: voterCount - 1 });
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('propose' as const),
      nodes: fc.array(node, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('toggle' as const), node }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('crash', 'restart', 'cut', 'heal'), voter }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('compact', 'reconnect', 'settle') }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 400 }) }),
  },
);
const fate = fc.constantFrom<Fate>(
  'taken',
  'unsaid',
  'unknown',
  'late',
  'dropped',
  'no-leader',
  'busy',
);

test('whatever happens to voters and messages, each proposal is told what became of it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fate, { maxLength: 40 }),
      fc.array(move, { maxLength: 40 }),
      fc.boolean(),
      async (fates, moves, prompt) => {
        const scene = new Scene(fates, prompt);
        const all: [Transaction, number, { result: ProposalResult | undefined }][] = [];
        let index = 0;
        scene.replica.subscribe(() => {
          expect(scene.replica.view.index).toBeGreaterThanOrEqual(index);
          index = scene.replica.view.index;
        });
        for (const each of moves) {
          if (each.kind === 'propose') {
            const transactions = each.nodes.map((id) => scene.transaction(id, id));
            const held = scene.propose(...transactions);
            for (const [at, transaction] of transactions.entries())
              all.push([transaction, at, held]);
          } else if (each.kind === 'toggle') scene.toggle(each.node);
          else if (each.kind === 'crash') scene.voters.crash(each.voter);
          else if (each.kind === 'restart') scene.voters.restart(each.voter);
          else if (each.kind === 'cut') scene.voters.cutOff(each.voter, true);
          else if (each.kind === 'heal') scene.voters.cutOff(each.voter, false);
          else if (each.kind === 'compact') scene.voters.compact();
          else if (each.kind === 'reconnect') scene.replica.reconnect('the test says so');
          else if (each.kind === 'settle') scene.voters.settle();
          else if (each.kind === 'wait') await scene.clock.advance(each.ms);
        }
        for (let at = 0; at < voterCount; at += 1) {
          scene.voters.restart(at);
          scene.voters.cutOff(at, false);
        }
        await scene.clock.advance(outcomeMsMax + 500);
        for (const [transaction, at, { result }] of all) {
          const taken = scene.voters.of(transaction).filter(({ kind }) => kind === 'committed');
          expect(taken.length).toBeLessThanOrEqual(1);
          if (result?.kind === 'applied')
            expect(result.outcomes[at]?.kind).toBe(taken.length === 1 ? 'committed' : 'refused');
          else if (result?.code !== 'unknown-outcome') {
            expect(result).toBeDefined();
            expect(taken).toEqual([]);
          }
        }
        scene.replica.stop();
      },
    ),
    { numRuns: 1000 },
  );
}, 60_000);
