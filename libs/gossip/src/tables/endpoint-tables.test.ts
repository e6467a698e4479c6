import type { Monotonic } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { absentKeptMs, aheadMsMax, inheritedKeptMs, tombstoneKeptMs } from '../limits.ts';
import { EndpointTables } from './endpoint-tables.ts';
import { hostsTable, type TableNews, timeMax } from './record.ts';

const at = (ms: number): Monotonic => ms as Monotonic;
const value = (text: string): Uint8Array => Buffer.from(text);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** So many hosts `h0`, `h1`, … in the network `n`, which know that the others are there. */
function hosts(count: number, firstTime = 0): EndpointTables[] {
  const all = Array.from({ length: count }, (_, index) => host(`h${index}`, firstTime));
  for (const each of all) for (let index = 0; index < count; index += 1) each.appeared(`h${index}`);
  for (const each of all) each.join('n', at(0));
  return all;
}

function host(self: string, firstTime = 0): EndpointTables {
  return new EndpointTables({ self, firstTime });
}

function shown(tables: EndpointTables, network = 'n'): Readonly<Record<string, string>> {
  const records = tables.shown(network).map(({ id, value: bytes }) => [id, text(bytes)] as const);
  return Object.fromEntries(records.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Everything `from` has to tell, once. */
function news(from: EndpointTables): readonly TableNews[] {
  return from.restless.map((network) => ({
    network,
    records: from.takeNews(network, 1, at(0), () => true),
  }));
}

function tell(from: EndpointTables, to: EndpointTables, now = 0): void {
  for (const each of news(from)) to.receive(each, at(now));
}

/** All that `from` shows, as in a comparison of tables; the corrections go back. */
function compare(from: EndpointTables, to: EndpointTables, now = 0): void {
  for (const network of [hostsTable, 'n']) {
    const owners = from.ownerDigests(network).keys();
    const records = from.recordsOf(network, owners, at(now));
    const { corrections } = to.receive({ network, records }, at(now));
    for (const each of corrections) from.receive(each, at(now));
  }
}

function pair(firstTime = 0): readonly [EndpointTables, EndpointTables] {
  const [a, b] = hosts(2, firstTime);
  if (a === undefined || b === undefined) throw new Error('two hosts');
  tell(a, b);
  tell(b, a);
  return [a, b];
}

describe('a time that nobody could outdo', () => {
  test.each([
    ['of the host itself', 'h0'],
    ['of another host', 'h1'],
    ['of nobody', 'h9'],
  ])('is not taken over, in a record %s', (_whose, owner) => {
    const [a, b] = pair();
    a.put('n', 'web', value('1'), at(0));
    const forged = { owner, id: 'web', value: value('forged'), ageMs: 0 };
    for (const network of ['n', hostsTable, 'elsewhere'])
      for (const time of [timeMax, aheadMsMax + 1])
        a.receive({ network, records: [{ ...forged, time }] }, at(0));
    a.put('n', 'web', value('2'), at(0));
    for (const { records } of news(a))
      for (const { time } of records) expect(time).toBeLessThan(100);
    a.put('n', 'web', value('3'), at(0));
    tell(a, b);
    expect(shown(b)).toEqual({ web: '3' });
  });

  test('is further off than a clock that is wrong by years', () => {
    const [a] = pair();
    const ahead = host('h1', aheadMsMax - 100);
    ahead.appeared('h0');
    ahead.join('n', at(0));
    ahead.put('n', 'web', value('1'), at(0));
    tell(ahead, a);
    expect(shown(a)).toEqual({ web: '1' });
  });
});

describe('what a host publishes', () => {
  test('is shown elsewhere, changes and goes', () => {
    const [a, b] = pair();
    a.put('n', 'web', value('1'), at(0));
    tell(a, b);
    expect(shown(b)).toEqual({ web: '1' });
    expect(b.takeChanges()).toMatchObject([{ networkId: 'n', changed: [{ id: 'web' }], gone: [] }]);
    a.put('n', 'web', value('2'), at(0));
    tell(a, b);
    expect(shown(b)).toEqual({ web: '2' });
    a.put('n', 'web', undefined, at(0));
    tell(a, b);
    expect(shown(b)).toEqual({});
    expect(b.takeChanges()).toMatchObject([{ gone: [{ owner: 'h0', id: 'web' }], changed: [] }]);
    expect(a.digest('n')).toBe(b.digest('n'));
  });

  test('is told no more when it is the same again', () => {
    const [a] = pair();
    a.put('n', 'web', value('1'), at(0));
    news(a);
    a.put('n', 'web', value('1'), at(0));
    expect(news(a)).toEqual([]);
  });

  test('is not taken by hosts that are not in the network, nor made outside of one', () => {
    const [a, b] = pair();
    b.leave('n', at(0));
    a.put('n', 'web', value('1'), at(0));
    tell(a, b);
    expect(shown(b)).toEqual({});
    expect(b.put('n', 'web', value('1'), at(0))).toBeUndefined();
  });

  test('goes with the host that leaves the network, and is back with it', () => {
    const [a, b] = pair();
    a.put('n', 'web', value('1'), at(0));
    tell(a, b);
    a.leave('n', at(0));
    tell(a, b);
    expect(shown(b)).toEqual({});
    expect(b.peers('n')).toEqual([]);
    a.join('n', at(0));
    a.put('n', 'db', value('2'), at(0));
    tell(a, b);
    expect(shown(b)).toEqual({ db: '2' });
    expect(b.peers('n')).toEqual(['h0']);
  });

  test('counts though the host that hears it has missed that its owner is in the network', () => {
    const [a, b] = pair();
    a.leave('n', at(0));
    tell(a, b);
    a.join('n', at(0));
    a.put('n', 'web', value('1'), at(0));
    const records = news(a).filter(({ network }) => network === 'n');
    for (const each of records) b.receive(each, at(0));
    expect(shown(b)).toEqual({ web: '1' });
    expect(b.peers('n')).toEqual(['h0']);
  });
});

describe('a host that fails', () => {
  test('has its records hidden at once, and shown again when it is back', () => {
    const [a, b] = pair();
    a.put('n', 'web', value('1'), at(0));
    tell(a, b);
    b.vanished('h0', at(0));
    expect(shown(b)).toEqual({});
    expect(b.recordsOf('n', ['h0'], at(0))).toEqual([]);
    b.appeared('h0');
    expect(shown(b)).toEqual({ web: '1' });
  });

  test('is forgotten after a while', () => {
    const [a, b] = pair();
    a.put('n', 'web', value('1'), at(0));
    tell(a, b);
    b.vanished('h0', at(0));
    b.sweep(at(absentKeptMs + 1));
    b.appeared('h0');
    expect(shown(b)).toEqual({});
  });

  test('whose records come before word of itself has them shown with that', () => {
    const [a] = pair();
    const late = host('late');
    late.join('n', at(0));
    a.put('n', 'web', value('1'), at(0));
    compare(a, late);
    expect(shown(late)).toEqual({});
    late.appeared('h0');
    expect(shown(late)).toEqual({ web: '1' });
  });
});

describe.each([
  { clock: 'with a clock that is ahead', firstTime: 1_000_000 },
  { clock: 'with nothing but what others tell it', firstTime: 0 },
])('a restarted host, $clock,', ({ firstTime }) => {
  function restarted(): readonly [EndpointTables, EndpointTables] {
    const [a, b] = pair();
    for (let turn = 0; turn < 20; turn += 1) a.put('n', 'web', value(`${turn}`), at(0));
    a.put('n', 'old', value('old'), at(0));
    a.put('n', 'gone', value('gone'), at(0));
    a.put('n', 'gone', undefined, at(0));
    tell(a, b);
    const again = host('h0', firstTime);
    again.appeared('h1');
    return [again, b];
  }

  test('is believed at last, though others remember newer records of it', () => {
    const [a, b] = restarted();
    a.join('n', at(0));
    a.put('n', 'web', value('new'), at(0));
    a.put('n', 'gone', value('again'), at(0));
    for (let turn = 0; turn < 3; turn += 1) {
      tell(a, b);
      compare(b, a);
      compare(a, b);
    }
    tell(a, b);
    expect(shown(b)).toEqual({ web: 'new', gone: 'again', old: 'old' });
    expect(a.digest('n')).toBe(b.digest('n'));
  });

  test('keeps what it had until it has said what it has', () => {
    const [a, b] = restarted();
    a.join('n', at(0));
    compare(b, a);
    expect(shown(a)).toEqual({ web: '19', old: 'old' });
    a.sweep(at(inheritedKeptMs - 1));
    expect(shown(a)).toEqual({ web: '19', old: 'old' });
    a.put('n', 'web', value('19'), at(0));
    a.sweep(at(inheritedKeptMs));
    tell(a, b);
    expect(shown(b)).toEqual({ web: '19' });
  });

  test('withdraws what the managers do not know of, and no more', () => {
    const [a, b] = restarted();
    a.join('n', at(0));
    a.overrule('n', [{ owner: 'h0', id: 'web', value: value('19') }], at(0));
    compare(b, a);
    expect(shown(a)).toEqual({ web: '19' });
    tell(a, b);
    expect(shown(b)).toEqual({ web: '19' });
  });

  test('withdraws what it does not know of itself any more', () => {
    const [a, b] = restarted();
    a.join('n', at(0));
    a.put('n', 'old', undefined, at(0));
    for (let turn = 0; turn < 3; turn += 1) {
      tell(a, b);
      compare(b, a);
    }
    tell(a, b);
    expect(shown(b)).toEqual({ web: '19' });
  });

  test('withdraws what others remember of a network that it joins later', () => {
    const [a, b] = restarted();
    a.settle(at(0));
    a.join('n', at(0));
    compare(b, a);
    tell(a, b);
    expect(shown(b)).toEqual({});
  });

  test('is out of networks that it is no longer in', () => {
    const [a, b] = restarted();
    a.join('other', at(0));
    compare(b, a);
    a.sweep(at(inheritedKeptMs));
    tell(a, b);
    a.receive({ network: 'n', records: b.recordsOf('n', ['h0'], at(0)) }, at(0));
    tell(a, b);
    expect(b.peers('n')).toEqual([]);
    expect(shown(b)).toEqual({});
  });

  test('is in the network again, though others remember that it left later', () => {
    const [before, b] = pair();
    before.leave('n', at(0));
    before.join('n', at(0));
    before.leave('n', at(0));
    tell(before, b);
    const a = host('h0', firstTime);
    a.appeared('h1');
    a.join('n', at(0));
    a.put('n', 'web', value('1'), at(0));
    for (let turn = 0; turn < 3; turn += 1) {
      compare(a, b);
      tell(a, b);
    }
    expect(shown(b)).toEqual({ web: '1' });
    expect(b.peers('n')).toEqual(['h0']);
  });
});

test('a withdrawal is remembered for a while, counted from when it was made', () => {
  const [a, b] = pair();
  a.put('n', 'web', value('1'), at(0));
  const [old] = a.recordsOf('n', ['h0'], at(0));
  a.put('n', 'web', undefined, at(0));
  const records = a.takeNews('n', 9, at(tombstoneKeptMs / 2), () => true);
  b.receive({ network: 'n', records }, at(0));
  b.receive({ network: 'n', records: old === undefined ? [] : [old] }, at(0));
  expect(shown(b)).toEqual({});
  b.sweep(at(tombstoneKeptMs / 2 + 1));
  b.receive({ network: 'n', records: old === undefined ? [] : [old] }, at(0));
  expect(shown(b)).toEqual({ web: '1' });
});

describe('what the managers say', () => {
  test('holds until the owner says something newer', () => {
    const [a, b] = pair();
    a.put('n', 'web', value('1'), at(0));
    a.put('n', 'stale', value('1'), at(0));
    tell(a, b);
    const truth = [
      { owner: 'h0', id: 'web', value: value('truth') },
      { owner: 'h9', id: 'unheard', value: value('of') },
    ];
    b.overrule('n', truth, at(0));
    expect(shown(b)).toEqual({ web: 'truth', unheard: 'of' });
    expect(b.digest('n')).toBe(a.digest('n'));
    a.put('n', 'web', value('2'), at(0));
    tell(a, b);
    expect(shown(b)).toEqual({ web: '2', unheard: 'of' });
    b.overrule('n', [], at(0));
    expect(shown(b)).toEqual({});
  });

  test('counts for own records nothing', () => {
    const [a] = pair();
    a.put('n', 'web', value('1'), at(0));
    a.overrule('n', [{ owner: 'h0', id: 'web', value: value('truth') }], at(0));
    expect(shown(a)).toEqual({ web: '1' });
  });

  test('brings records of hosts that gossip does not reach, until they are seen to fail', () => {
    const [, b] = pair();
    const truth = [{ owner: 'h0', id: 'web', value: value('1') }];
    b.vanished('h0', at(0));
    b.overrule('n', truth, at(0));
    expect(shown(b)).toEqual({ web: '1' });
    b.appeared('h0');
    b.vanished('h0', at(0));
    expect(shown(b)).toEqual({});
  });
});

/** What hosts may do in any order: publish, withdraw, leave, join, forget everything. */
const act = fc.record({
  who: fc.integer({ min: 0, max: 2 }),
  what: fc.constantFrom('put', 'put', 'put', 'withdraw', 'leave', 'join', 'restart'),
  id: fc.constantFrom('x', 'y', 'z'),
  word: fc.constantFrom('1', '2', '3'),
});

test('any order and doubling of the same messages ends in the same tables', () => {
  const delivery = fc.array(fc.nat(), { maxLength: 200 });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), delivery, delivery, (acts, one, other) => {
      const all = hosts(3);
      const messages: TableNews[] = [];
      for (const { who, what, id, word } of acts) {
        const actor = all[who];
        if (actor === undefined) continue;
        if (what === 'put') actor.put('n', id, value(word), at(0));
        else if (what === 'withdraw') actor.put('n', id, undefined, at(0));
        else if (what === 'leave') actor.leave('n', at(0));
        else actor.join('n', at(0));
        messages.push(...news(actor));
      }
      const ends = [one, other].map((picks) => {
        const observer = host('observer');
        for (let index = 0; index < 3; index += 1) observer.appeared(`h${index}`);
        observer.join('n', at(0));
        const order = [...picks.map((pick) => pick % Math.max(1, messages.length))];
        for (const pick of [...order, ...messages.keys()]) {
          const message = messages[pick];
          if (message !== undefined) observer.receive(message, at(0));
        }
        return { shown: all.map((_, who) => observer.ownerDigests('n').get(`h${who}`)) };
      });
      expect(ends[0]).toEqual(ends[1]);
    }),
    { numRuns: 500 },
  );
});

test('whatever hosts did and forgot, comparing ends in what they have', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      const all = hosts(3);
      const have = all.map(() => ({ isIn: true, records: new Map<string, string>() }));
      for (const { who, what, id, word } of acts) {
        const [actor, mine] = [all[who], have[who]];
        if (actor === undefined || mine === undefined) continue;
        if (what === 'put' && mine.isIn) mine.records.set(id, word);
        if (what === 'put') actor.put('n', id, value(word), at(0));
        if (what === 'withdraw') actor.put('n', id, undefined, at(0));
        if (what === 'withdraw') mine.records.delete(id);
        if (what === 'leave') actor.leave('n', at(0));
        if (what === 'join') actor.join('n', at(0));
        if (what === 'leave' || what === 'restart') mine.records.clear();
        if (what === 'restart') {
          const again = host(`h${who}`);
          for (let index = 0; index < 3; index += 1) again.appeared(`h${index}`);
          again.join('n', at(0));
          again.settle(at(0));
          all[who] = again;
        }
        if (what !== 'put' && what !== 'withdraw') mine.isIn = what !== 'leave';
      }
      for (let turn = 0; turn < 4; turn += 1)
        for (const from of all) for (const to of all) if (from !== to) compare(from, to);
      const expected = have
        .flatMap(({ records }, who) => [...records].map(([id, word]) => `h${who} ${id} ${word}`))
        .sort();
      for (const [who, { isIn }] of have.entries()) {
        const there = (all[who]?.shown('n') ?? [])
          .map(({ owner, id, value: bytes }) => `${owner} ${id} ${text(bytes)}`)
          .sort();
        expect(there).toEqual(isIn ? expected : []);
      }
    }),
    { numRuns: 1_000 },
  );
});
