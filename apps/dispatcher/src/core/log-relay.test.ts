import type { DispatcherMessage, LogLines, LogSubscription } from '@shoal/proto';
import { systemRandom } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { LogRelay } from './log-relay.ts';
import { noMetrics } from './metrics.ts';
import type { Session } from './session.ts';

/** Which node each task is on; a task that waits is on none. */
const places: Readonly<Record<string, string>> = {
  a: 'n1',
  b: 'n2',
  c: 'n1',
  away: 'n3',
  waits: '',
};
const view = {
  tasks: { get: (id: string) => ({ id, nodeId: places[id] ?? '' }) },
} as unknown as StateView;

/** Notes what an agent is told. */
class FakeSession {
  readonly messages: DispatcherMessage[] = [];

  send(message: DispatcherMessage): void {
    this.messages.push(message);
  }

  get asked(): readonly LogSubscription[] {
    return this.messages.flatMap(({ body }) =>
      body?.$case === 'logSubscription' ? [body.value] : [],
    );
  }

  get cancelled(): readonly string[] {
    return this.messages.flatMap(({ body }) =>
      body?.$case === 'logCancel' ? [body.value.id] : [],
    );
  }
}

class FakeSubscriber {
  readonly told: LogLines[] = [];
  ended = false;
  takes = true;

  send(lines: LogLines): boolean {
    if (this.ended) throw new Error('told after its end');
    this.told.push(lines);
    return this.takes;
  }

  end(): void {
    this.ended = true;
  }

  get lines(): readonly string[] {
    return this.told.flatMap(({ lines }) => lines.map(({ nodeId, data }) => `${nodeId} ${data}`));
  }

  get gaps(): readonly string[] {
    return this.told.flatMap(({ gaps }) => gaps);
  }

  get lastEnd() {
    return this.told.at(-1)?.end;
  }
}

class FakePublisher {
  readonly calls: string[] = [];
  pause = (): void => void this.calls.push('pause');
  resume = (): void => void this.calls.push('resume');
  cancel = (): void => void this.calls.push('cancel');
}

let sessions: Map<string, FakeSession>;
let relay: LogRelay;

beforeEach(() => {
  sessions = new Map([
    ['n1', new FakeSession()],
    ['n2', new FakeSession()],
  ]);
  relay = new LogRelay({
    random: systemRandom,
    metrics: noMetrics,
    sessionOf: (nodeId) => sessions.get(nodeId) as unknown as Session | undefined,
  });
});

function subscribe(...taskIds: string[]): FakeSubscriber {
  const subscriber = new FakeSubscriber();
  const range = { tail: -1, since: undefined, until: undefined, stdout: true, stderr: true };
  relay.subscribe(view, { id: 'mine', taskIds, follow: true, ...range }, subscriber);
  return subscriber;
}

function message(nodeId: string, part: Partial<LogLines> & { readonly task?: string }): LogLines {
  const subscriptionId = sessions.get(nodeId)?.asked.at(-1)?.id ?? '';
  const { task, gaps = [], end } = part;
  const where = { nodeId: 'a lie', stream: 1, time: undefined, attributes: '' } as const;
  const lines = task === undefined ? [] : [{ ...where, taskId: task, data: Buffer.from(task) }];
  return { subscriptionId, lines, gaps, end };
}

describe('one subscription', () => {
  test('each node is asked for its own tasks; lines bear the name of who sent them', () => {
    const subscriber = subscribe('a', 'b', 'c');
    expect(sessions.get('n1')?.asked[0]).toMatchObject({ taskIds: ['a', 'c'], follow: true });
    expect(sessions.get('n2')?.asked[0]).toMatchObject({ taskIds: ['b'] });
    const [one, two] = [new FakePublisher(), new FakePublisher()];
    expect(relay.publish('n1', message('n1', { task: 'a' }), one)).toBe(true);
    expect(relay.publish('n2', message('n2', { task: 'b' }), two)).toBe(true);
    // Of a task that is not asked of it, by a second stream of the node, of a node that was not asked.
    expect(relay.publish('n2', message('n2', { task: 'away' }), two)).toBe(true);
    expect(relay.publish('n2', message('n2', { task: 'b' }), new FakePublisher())).toBe(false);
    expect(relay.publish('n3', message('n2', { task: 'b' }), new FakePublisher())).toBe(false);
    expect(subscriber.lines).toEqual(['n1 a', 'n2 b']);
    expect(subscriber.told.every(({ subscriptionId }) => subscriptionId === 'mine')).toBe(true);
  });

  test.each([
    [
      'complete and whole',
      [
        { broken: false, whole: true },
        { broken: false, whole: true },
      ],
    ],
    [
      'cut by tail',
      [
        { broken: false, whole: true },
        { broken: false, whole: false },
      ],
    ],
    [
      'one broke',
      [
        { broken: true, whole: false },
        { broken: false, whole: true },
      ],
    ],
  ])('it ends when all nodes have ended: %s', (_name, ends) => {
    const subscriber = subscribe('a', 'b');
    const publishers = ['n1', 'n2'].map((nodeId, at) => {
      const publisher = new FakePublisher();
      const end = ends[at];
      expect(relay.publish(nodeId, message(nodeId, { end }), publisher)).toBe(true);
      return publisher;
    });
    for (const [at, publisher] of publishers.entries()) {
      expect(subscriber.ended).toBe(false);
      relay.published(at === 0 ? 'n1' : 'n2', publisher, false);
    }
    expect(subscriber.ended).toBe(true);
    expect(subscriber.lastEnd).toEqual({
      broken: ends.some(({ broken }) => broken),
      whole: ends.every(({ whole }) => whole),
    });
  });

  test('what cannot come is named, and may be asked for again', () => {
    const waiting = subscribe('waits');
    expect([waiting.gaps, waiting.lastEnd]).toEqual([
      ['task waits has not been scheduled'],
      { broken: true, whole: false },
    ]);
    const away = subscribe('away', 'a');
    expect([away.gaps, away.ended]).toEqual([['node n3 is not available'], false]);
    const publisher = new FakePublisher();
    relay.publish('n1', message('n1', { task: 'a' }), publisher);
    // Its session ends: what it publishes already may still come to its end.
    relay.nodeGone('n1');
    expect(away.ended).toBe(false);
    relay.published('n1', publisher, true);
    expect(away.gaps.at(-1)).toBe('node n1 disconnected unexpectedly');
    expect([away.ended, away.lastEnd?.broken]).toEqual([true, true]);
    const never = subscribe('b');
    relay.nodeGone('n2');
    expect([never.ended, never.lastEnd?.broken]).toEqual([true, true]);
  });
});

test('a slow reader pauses who publishes for it, and nobody else', () => {
  const [slow, quick] = [subscribe('a'), subscribe('a')];
  const ids = sessions.get('n1')?.asked.map(({ id }) => id) ?? [];
  slow.takes = false;
  const [one, two] = [new FakePublisher(), new FakePublisher()];
  relay.publish('n1', { ...message('n1', { task: 'a' }), subscriptionId: ids[0] ?? '' }, one);
  relay.publish('n1', { ...message('n1', { task: 'a' }), subscriptionId: ids[1] ?? '' }, two);
  expect([one.calls, two.calls, quick.lines]).toEqual([['pause'], [], ['n1 a']]);
  relay.drained(slow);
  expect([one.calls, two.calls]).toEqual([['pause', 'resume'], []]);
});

test('who leaves is published to no more', () => {
  const subscriber = subscribe('a', 'b');
  const publisher = new FakePublisher();
  relay.publish('n1', message('n1', { task: 'a' }), publisher);
  relay.unsubscribe(subscriber);
  relay.unsubscribe(subscriber);
  expect(publisher.calls).toEqual(['cancel']);
  expect(sessions.get('n2')?.cancelled).toEqual([sessions.get('n2')?.asked[0]?.id]);
  expect(relay.publish('n1', message('n1', { task: 'a' }), new FakePublisher())).toBe(false);
  expect(subscriber.ended).toBe(false);
});

test('a dispatcher that stops says so, and that there may be more', () => {
  const subscriber = subscribe('a');
  relay.stop();
  expect(subscriber.gaps).toEqual(['the dispatcher is stopped']);
  expect([subscriber.ended, subscriber.lastEnd?.broken]).toEqual([true, true]);
});
