import { describe, expect, test } from 'vitest';
import { FakeClient, FakeSwarmLogs, serviceId } from '../testing/fake-swarm-logs.ts';

/** Time in which everything that is on its way arrives, milliseconds. */
const aMoment = 2_000;
/** Longer than any wait for a node, milliseconds. */
const long = 30_000;

function swarm(): FakeSwarmLogs {
  const made = new FakeSwarmLogs(1);
  made.addNode('n1');
  made.addNode('n2');
  made.addTask('a', 'n1');
  made.addTask('b', 'n2');
  return made;
}

function range(task: string, from: number, to: number): readonly string[] {
  return Array.from({ length: to - from }, (_, at) => `${task} ${from + at}`);
}

function writeRange(logs: FakeSwarmLogs, task: string, from: number, to: number): void {
  for (let number = from; number < to; number += 1)
    logs.write(task, `${task} ${number}`, number * 1_000_000_000);
}

const of = (task: string, client: FakeClient) =>
  client.frames.filter((frame) => frame.startsWith(`${task} `));

const gapsOf = (client: FakeClient) =>
  client.frames.flatMap((frame) => frame.split('following reasons: ')[1] ?? []);

const time = (number: number) => ({ seconds: 1_700_000_000 + number, nanos: 0 });

describe('once', () => {
  test.each<[string, object, readonly string[]]>([
    ['all', {}, range('a', 0, 20)],
    ['the last lines', { tail: 3 }, range('a', 17, 20)],
    ['more than there are', { tail: 300 }, range('a', 0, 20)],
    ['none', { tail: 0 }, []],
    ['since', { since: time(15) }, range('a', 15, 20)],
    ['until', { until: time(4) }, range('a', 0, 5)],
    ['between', { since: time(3), until: time(4) }, range('a', 3, 5)],
    ['the last of what is since', { since: time(15), tail: 2 }, range('a', 18, 20)],
    ['since the future', { since: time(100) }, []],
  ])('%s', async (_name, asked, expected) => {
    const logs = swarm();
    writeRange(logs, 'a', 0, 20);
    const client = logs.follow(asked);
    await logs.clock.advance(aMoment);
    expect([client.frames, client.ended]).toEqual([expected, true]);
    expect([logs.nodes.open, logs.clock.timers]).toEqual([0, 0]);
  });

  test('one task of the service', async () => {
    const logs = swarm();
    writeRange(logs, 'a', 0, 3);
    writeRange(logs, 'b', 0, 3);
    const client = logs.follow({}, { serviceId, taskId: 'b' });
    await logs.clock.advance(aMoment);
    expect([client.frames, client.ended]).toEqual([range('b', 0, 3), true]);
  });

  test('one of the two streams', async () => {
    const logs = swarm();
    for (let number = 0; number < 6; number += 1)
      logs.write('a', `a ${number}`, number, number % 2 === 1);
    const client = logs.follow({ stdout: false, tail: 4 });
    await logs.clock.advance(aMoment);
    expect(client.frames).toEqual(['a 3', 'a 5']);
  });

  test('what cannot be had is named, the rest comes', async () => {
    const logs = swarm();
    logs.addNode('n3');
    logs.setNode('n3', 'down');
    logs.addTask('c', 'n3');
    logs.addTask('d', '', 'pending');
    logs.nodes.unreadable.set('b', 'task b: configured logging driver does not support reading');
    writeRange(logs, 'a', 0, 3);
    const client = logs.follow();
    await logs.clock.advance(aMoment);
    expect(of('a', client)).toEqual(range('a', 0, 3));
    expect(new Set(gapsOf(client))).toEqual(
      new Set([
        'task d has not been scheduled',
        'node n3 is not available',
        'task b: configured logging driver does not support reading',
      ]),
    );
    expect(client.ended).toBe(true);
  });

  test('a broken read goes on; a node that stays away is named in the end', async () => {
    const logs = swarm();
    writeRange(logs, 'a', 0, 300);
    writeRange(logs, 'b', 0, 300);
    const client = logs.follow();
    await logs.clock.advance(60);
    logs.nodes.breakSome(1);
    logs.nodes.away('n2', true);
    await logs.clock.advance(long);
    expect(of('a', client)).toEqual(range('a', 0, 300));
    expect(of('b', client)).toEqual(range('b', 0, of('b', client).length));
    expect(gapsOf(client)).toHaveLength(1);
    expect(client.ended).toBe(true);
  });
});

describe('followed', () => {
  test.each<[string, object, number, readonly string[]]>([
    ['all', {}, 10, range('a', 0, 20)],
    ['from now on', { tail: 0 }, 10, range('a', 10, 20)],
    ['the last lines', { tail: 4 }, 10, range('a', 6, 20)],
    ['since', { since: time(5) }, 10, range('a', 5, 20)],
    ['since a time to come', { since: time(15) }, 10, range('a', 15, 20)],
    ['from now on, of an empty log', { tail: 0 }, 0, range('a', 0, 20)],
  ])('%s', async (_name, asked, before, expected) => {
    const logs = swarm();
    writeRange(logs, 'a', 0, before);
    const [first, second] = [logs.follow({ follow: true, ...asked }), new FakeClient()];
    await logs.clock.advance(aMoment);
    // The second one finds the feed of the first.
    logs.follow({ follow: true, ...asked }, { serviceId }, second);
    await logs.clock.advance(aMoment);
    writeRange(logs, 'a', before, 20);
    await logs.clock.advance(aMoment);
    expect([first.frames, second.frames]).toEqual([expected, expected]);
    expect([first.ended, second.ended]).toEqual([false, false]);
  });

  test('a log longer than what the feed begins with', async () => {
    const logs = swarm();
    writeRange(logs, 'a', 0, 2_000);
    const clients = [{}, { tail: 1_000 }, { tail: 10 }].map((asked) =>
      logs.follow({ follow: true, ...asked }),
    );
    await logs.clock.advance(10 * aMoment);
    writeRange(logs, 'a', 2_000, 2_050);
    await logs.clock.advance(10 * aMoment);
    const from = [0, 1_000, 1_990];
    for (const [at, client] of clients.entries())
      expect(client.frames).toEqual(range('a', from[at] ?? 0, 2_050));
  });

  test('it takes up new tasks from their begin, and ends with the service', async () => {
    const logs = swarm();
    const client = logs.follow({ follow: true, tail: 0 });
    await logs.clock.advance(aMoment);
    logs.addTask('c', 'n1', 'assigned');
    writeRange(logs, 'c', 0, 5);
    await logs.clock.advance(aMoment);
    expect(client.frames).toEqual([]);
    logs.moveTask('c', 'running');
    await logs.clock.advance(aMoment);
    expect(client.frames).toEqual(range('c', 0, 5));
    logs.removeService();
    expect(client.ended).toBe(false);
    for (const task of ['a', 'b', 'c']) logs.nodes.end(task);
    for (const task of ['a', 'b', 'c']) logs.moveTask(task, 'shutdown');
    await logs.clock.advance(long);
    expect([client.ended, logs.nodes.open]).toEqual([true, 0]);
  });

  test('one task: it ends with its container, with all it has said', async () => {
    const logs = swarm();
    const client = logs.follow({ follow: true }, { serviceId, taskId: 'a' });
    await logs.clock.advance(aMoment);
    writeRange(logs, 'a', 0, 100);
    logs.nodes.end('a');
    logs.moveTask('a', 'complete');
    await logs.clock.advance(long);
    expect([client.frames, client.ended]).toEqual([range('a', 0, 100), true]);
  });

  test('until: it ends then, with all that was written up to it', async () => {
    const logs = swarm();
    const now = logs.clock.now() / 1_000 - 1_700_000_000;
    const client = logs.follow({ follow: true, until: time(now + 5) });
    const past = logs.follow({ follow: true, until: time(now - 1) });
    await logs.clock.advance(aMoment);
    expect([client.ended, past.ended]).toEqual([false, true]);
    writeRange(logs, 'a', now, now + 20);
    await logs.clock.advance(2 * aMoment);
    await logs.clock.advance(aMoment);
    expect([client.frames, client.ended]).toEqual([range('a', now, now + 6), true]);
  });

  test('a lost node is named once; when it is back its lines go on', async () => {
    const logs = swarm();
    const client = logs.follow({ follow: true });
    writeRange(logs, 'a', 0, 10);
    writeRange(logs, 'b', 0, 10);
    await logs.clock.advance(aMoment);
    logs.nodes.away('n2', true);
    logs.nodes.breakSome(1);
    writeRange(logs, 'b', 10, 20);
    writeRange(logs, 'a', 10, 20);
    await logs.clock.advance(long);
    expect(of('a', client)).toEqual(range('a', 0, 20));
    expect([of('b', client), gapsOf(client)]).toEqual([
      range('b', 0, 10),
      ['node n disconnected unexpectedly'],
    ]);
    logs.nodes.away('n2', false);
    await logs.clock.advance(long);
    expect(of('b', client)).toEqual(range('b', 0, 20));
    expect(gapsOf(client)).toHaveLength(1);
    // Who comes while it is away is told at once.
    logs.setNode('n2', 'down');
    logs.nodes.breakSome(1);
    await logs.clock.advance(long);
    const late = logs.follow({ follow: true });
    await logs.clock.advance(1);
    expect(gapsOf(late)).toEqual(['node n2 is not available']);
  });

  test('a log that cannot be read is named, the others are followed', async () => {
    const logs = swarm();
    logs.nodes.unreadable.set('b', 'task b: no');
    const client = logs.follow({ follow: true });
    writeRange(logs, 'a', 0, 3);
    await logs.clock.advance(aMoment);
    expect([gapsOf(client), of('a', client)]).toEqual([['task b: no'], range('a', 0, 3)]);
  });

  test('a client that stands still holds nothing elsewhere, and misses nothing', async () => {
    const logs = new FakeSwarmLogs(1, 16 << 10);
    logs.addNode('n1');
    logs.addTask('a', 'n1');
    const [still, quick] = [new FakeClient(), new FakeClient()];
    for (const client of [still, quick]) logs.follow({ follow: true }, { serviceId }, client);
    await logs.clock.advance(aMoment);
    still.isSlow = true;
    writeRange(logs, 'a', 0, 5_000);
    await logs.clock.advance(10 * aMoment);
    expect(quick.frames).toEqual(range('a', 0, 5_000));
    expect(still.frames.length).toBeLessThan(2_500);
    // Only the feed is read from the node.
    expect(logs.nodes.open).toBe(1);
    still.isSlow = false;
    still.drain();
    await logs.clock.advance(10 * aMoment);
    expect(still.frames).toEqual(range('a', 0, 5_000));
  });

  test('a client that stands still is sent no more, however many tasks there are', async () => {
    const logs = swarm();
    const tasks = Array.from({ length: 60 }, (_, at) => `t${at}`);
    for (const task of tasks) logs.addTask(task, 'n1', 'complete');
    for (const task of tasks) {
      logs.moveTask(task, 'complete');
      writeRange(logs, task, 0, 50);
    }
    const client = new FakeClient();
    client.isSlow = true;
    logs.follow({}, { serviceId }, client);
    await logs.clock.advance(long);
    const sent = client.frames.length;
    expect(sent).toBeLessThan(20 * 20);
    expect(logs.nodes.open).toBe(0);
    await logs.clock.advance(long);
    expect(client.frames).toHaveLength(sent);
    client.isSlow = false;
    client.drain();
    await logs.clock.advance(long);
    for (const task of tasks) expect(of(task, client)).toEqual(range(task, 0, 50));
    expect(client.ended).toBe(true);
  });

  test('many share one read of the log; when the last has left nothing is open', async () => {
    const logs = swarm();
    writeRange(logs, 'a', 0, 10);
    const clients = Array.from({ length: 200 }, () => logs.follow({ follow: true, tail: 5 }));
    await logs.clock.advance(aMoment);
    writeRange(logs, 'a', 10, 20);
    await logs.clock.advance(aMoment);
    for (const client of clients) expect(client.frames).toEqual(range('a', 5, 20));
    // Of each task: its end, then what comes.
    expect(logs.nodes.asked).toHaveLength(4);
    for (const { follower } of clients) follower?.stop();
    expect([logs.nodes.open, logs.clock.timers]).toEqual([0, 1]);
  });

  test('a host that is no manager any more lets its clients go', async () => {
    const logs = swarm();
    const client = logs.follow({ follow: true });
    await logs.clock.advance(aMoment);
    logs.isManager = false;
    await logs.clock.advance(aMoment);
    expect([client.ended, logs.nodes.open]).toEqual([true, 0]);
  });
});
