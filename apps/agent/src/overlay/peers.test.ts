import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type KernelPeers, kernelPeers, noPeers, PeerTable, peerLines, peersOf } from './peers.ts';
import { exampleRecord as record } from './testing/examples.ts';

const nobody: ReadonlySet<string> = new Set();
const vtep = '192.0.2.1';

/** What the kernel has after the lines, in the order in which they are run. */
function after(have: KernelPeers, want: KernelPeers): KernelPeers {
  const neighbours = new Map(have.neighbours);
  const forwarding = new Map(have.forwarding);
  const lines = peerLines('shx1', have, want);
  for (const line of [...lines.forwarding.set, ...lines.neighbours, ...lines.forwarding.drop]) {
    const words = line.split(' ');
    const [, verb, key = ''] = words;
    if (words[0] === 'fdb') {
      if (verb === 'replace') forwarding.set(key, words.at(-1) ?? '');
      else forwarding.delete(key);
    } else if (verb === 'replace') neighbours.set(key, words[4] ?? '');
    else neighbours.delete(key);
    for (const mac of neighbours.values()) expect(forwarding.has(mac)).toBe(true);
  }
  return { neighbours, forwarding };
}

const records = fc
  .array(
    fc
      .record({
        endpoint: fc.constantFrom('a', 'b', 'c', 'd'),
        host: fc.integer({ min: 2, max: 5 }),
        address: fc.integer({ min: 10, max: 14 }),
        six: fc.boolean(),
      })
      .map(({ endpoint, host, address, six }) =>
        record(
          endpoint,
          `192.0.2.${host}`,
          `10.0.1.${address}`,
          ...(six ? [`fd00:1::${address}`] : []),
        ),
      ),
    { maxLength: 6 },
  )
  .map((all) => [...new Map(all.map((each) => [each.endpointId, each])).values()]);

test('differences lead to what is wanted, and never past a neighbour whose host is not known', () => {
  fc.assert(
    fc.property(fc.array(records, { minLength: 1, maxLength: 6 }), (steps) => {
      const table = new PeerTable(vtep);
      let have = noPeers;
      for (const step of steps) {
        table.replace(step);
        const want = kernelPeers(table.wanted(nobody));
        have = after(have, want);
        expect(have).toEqual(want);
      }
      // Each address that is claimed is somewhere, and nothing else is.
      const claimed = new Set(steps.at(-1)?.flatMap(({ addresses }) => addresses));
      expect(new Set(have.neighbours.keys())).toEqual(claimed);
    }),
  );
});

test('records without rivals are served once they are programmed', () => {
  fc.assert(
    fc.property(records, (all) => {
      const claims = all.flatMap(({ addresses }) => addresses);
      fc.pre(new Set(claims).size === claims.length);
      const table = new PeerTable(vtep);
      table.replace(all);
      const kernel = kernelPeers(table.wanted(nobody));
      expect(new Set(table.served(peersOf(kernel)))).toEqual(new Set(all));
      expect(table.served(peersOf(noPeers))).toEqual([]);
    }),
  );
});

describe('an address that two endpoints claim', () => {
  const old = record('a', '192.0.2.8', '10.0.1.9', 'fd00:1::9');
  const next = record('b', '192.0.2.9', '10.0.1.9');

  test('is the later one’s, and goes back when that goes', () => {
    const table = new PeerTable(vtep);
    table.replace([old]);
    table.replace([next, old]);
    expect(table.wanted(nobody).get('10.0.1.9')?.vtep).toBe('192.0.2.9');
    const kernel = kernelPeers(table.wanted(nobody));
    expect(kernel.forwarding).toEqual(new Map([['02:42:0a:00:01:09', '192.0.2.9']]));
    expect(table.served(peersOf(kernel))).toEqual([next]);
    table.replace([old]);
    expect(table.wanted(nobody).get('10.0.1.9')?.vtep).toBe('192.0.2.8');
  });

  test('is the one’s that has moved last', () => {
    const table = new PeerTable(vtep);
    table.replace([old, next]);
    table.replace([{ ...old, vtep: '192.0.2.7' }, next]);
    expect(table.wanted(nobody).get('10.0.1.9')?.vtep).toBe('192.0.2.7');
  });
});

test('an address of a container here needs no tunnel', () => {
  const table = new PeerTable(vtep);
  table.replace([record('a', '192.0.2.8', '10.0.1.9')]);
  expect(table.wanted(new Set(['10.0.1.9'])).size).toBe(0);
});

test('hosts of the other family cannot be reached by the tunnel', () => {
  const table = new PeerTable(vtep);
  table.replace([record('a', '2001:db8::8', '10.0.1.9')]);
  expect(table.wanted(nobody).size).toBe(0);
});
