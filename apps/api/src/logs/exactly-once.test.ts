import type { LogOptions } from '@shoal/docker-api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClient, FakeSwarmLogs, serviceId } from '../testing/fake-swarm-logs.ts';

const nodes = ['n1', 'n2', 'n3'];
/** So long that a few hundred of them do not fit into what is kept of the newest lines. */
const padding = 'x'.repeat(400);
/** Kept of the newest lines of all tasks, bytes. */
const keptBytes = 48 << 10;
/** Longer than any wait for a node that is back, milliseconds. */
const healed = 120_000;

type Action =
  | { readonly kind: 'write'; readonly task: number; readonly count: number; readonly gap: number }
  | { readonly kind: 'break'; readonly share: number }
  | { readonly kind: 'away' | 'back'; readonly node: number }
  | { readonly kind: 'follow'; readonly isSlow: boolean; readonly asked: Partial<LogOptions> }
  | { readonly kind: 'slow' | 'quick' | 'leave'; readonly client: number }
  | { readonly kind: 'task'; readonly node: number }
  | { readonly kind: 'pass'; readonly ms: number };

const index = fc.nat({ max: 50 });
const actions: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      task: index,
      count: fc.integer({ min: 1, max: 80 }),
      gap: fc.constantFrom(1, 1_000_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('break' as const),
      share: fc.constantFrom(0.3, 0.7, 1),
    }),
  },
  {
    arbitrary: fc.record({ kind: fc.constantFrom('away' as const, 'back'), node: index }),
    weight: 2,
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('follow' as const),
      isSlow: fc.boolean(),
      asked: fc.constantFrom<Partial<LogOptions>>({}, { tail: 3 }, { tail: 0 }, { tail: 200 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('slow' as const, 'quick', 'leave'),
      client: index,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('task' as const), node: index }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(1, 15, 120, 900, 5_000),
    }),
  },
);

interface Follower {
  readonly client: FakeClient;
  readonly isWhole: boolean;
}

/** A service on some nodes under a script of what may happen to it and its followers. */
class Story {
  readonly logs: FakeSwarmLogs;
  readonly followers: Follower[] = [];
  readonly #tasks: string[] = [];
  readonly #written = new Map<string, number>();
  readonly #isUnclear: boolean;
  #nanos = 1_000;

  /** With `isUnclear` times are equal and out of order; then nobody asks for the last lines alone. */
  constructor(seed: number, isUnclear: boolean) {
    this.#isUnclear = isUnclear;
    this.logs = new FakeSwarmLogs(seed, keptBytes);
    for (const node of nodes) this.logs.addNode(node);
    this.#addTask(0);
    this.#addTask(1);
    this.#follow(false, {});
  }

  async do(action: Action): Promise<void> {
    const { logs, followers } = this;
    const node = 'node' in action ? (nodes[action.node % nodes.length] ?? '') : '';
    const client =
      'client' in action ? followers[action.client % followers.length]?.client : undefined;
    switch (action.kind) {
      case 'write':
        return this.#write(action.task, action.count, action.gap);
      case 'break':
        return logs.nodes.breakSome(action.share);
      case 'away':
      case 'back':
        return logs.nodes.away(node, action.kind === 'away');
      case 'follow':
        return this.#follow(action.isSlow, action.asked);
      case 'slow':
        if (client !== undefined) client.isSlow = true;
        return;
      case 'quick':
        return this.#hurry(client);
      case 'leave':
        // The first one stays to the end.
        if (client === followers[0]?.client) return;
        client?.follower?.stop();
        followers.splice(action.client % followers.length, 1);
        return;
      case 'task':
        return this.#addTask(action.node);
      case 'pass':
        return logs.clock.advance(action.ms);
    }
  }

  /** All is well again, and everything has had its time. */
  async heal(): Promise<void> {
    for (const node of nodes) this.logs.nodes.away(node, false);
    for (const { client } of this.followers) this.#hurry(client);
    await this.logs.clock.advance(healed);
  }

  check(): void {
    for (const { client, isWhole } of this.followers) {
      const got = Map.groupBy(client.frames, (frame) => frame.split(' ')[0] ?? '');
      for (const task of this.#tasks) {
        const numbers = (got.get(task) ?? []).map((frame) => Number(frame.split(' ')[1]));
        const end = this.#written.get(task) ?? 0;
        const begin = isWhole ? 0 : (numbers[0] ?? end);
        expect(numbers).toEqual(Array.from({ length: end - begin }, (_, at) => begin + at));
      }
    }
  }

  #write(at: number, count: number, gap: number): void {
    const task = this.#tasks[at % this.#tasks.length] ?? '';
    const from = this.#written.get(task) ?? 0;
    this.#written.set(task, from + count);
    this.#nanos += 1;
    for (let number = from; number < from + count; number += 1) {
      const isError = number % 3 === 0;
      if (!this.#isUnclear || number % 4 === 0) this.#nanos += gap;
      // The two streams are stamped apart from each other.
      const nanos = this.#nanos - (this.#isUnclear && isError ? 1 : 0);
      this.logs.write(task, `${task} ${number} ${padding}`, nanos, isError);
    }
  }

  #follow(isSlow: boolean, wanted: Partial<LogOptions>): void {
    const asked = this.#isUnclear ? {} : wanted;
    const client = new FakeClient();
    client.isSlow = isSlow;
    this.logs.follow({ follow: true, ...asked }, { serviceId }, client);
    this.followers.push({ client, isWhole: asked.tail === undefined });
  }

  #hurry(client: FakeClient | undefined): void {
    if (client === undefined) return;
    client.isSlow = false;
    client.drain();
  }

  #addTask(at: number): void {
    const task = `t${this.#tasks.length}`;
    this.#tasks.push(task);
    this.logs.addTask(task, nodes[at % nodes.length] ?? '');
  }
}

test('whatever breaks, each follower gets each line once, and those of a task in order', async () => {
  const scripts = fc.array(actions, { minLength: 5, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(scripts, fc.nat(), fc.boolean(), async (script, seed, isUnclear) => {
      const story = new Story(seed, isUnclear);
      for (const action of script) await story.do(action);
      await story.heal();
      story.check();
    }),
    { numRuns: Number(process.env['SHOAL_LOG_RUNS'] ?? 100) },
  );
});
