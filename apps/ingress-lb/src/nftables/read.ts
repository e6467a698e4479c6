import { z } from 'zod';
import {
  type Backend,
  type Balancing,
  type FamilyAddresses,
  type Front,
  frontKey,
  type Schedule,
  type VirtualServer,
} from '../desired/balancing.ts';

/** What `nft -j list table` says, as far as it is ours. */
const listing = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

const chainRule = z.object({
  chain: z.string(),
  comment: z.string().optional(),
  expr: z.array(z.record(z.string(), z.unknown())),
});

const place = z.union([z.string(), z.object({ concat: z.tuple([z.string(), z.number()]) })]);

const balance = z.object({
  addr: z.object({
    map: z.object({
      key: z.union([
        z.object({ numgen: z.object({ mod: z.number() }) }),
        z.object({ jhash: z.object({ mod: z.number() }) }),
      ]),
      data: z.object({ set: z.array(z.tuple([z.number(), place])) }),
    }),
  }),
});

const named = z.object({ name: z.string(), elem: z.array(z.unknown()).default([]) });
const goesTo = z.tuple([z.unknown(), z.object({ goto: z.object({ target: z.string() }) })]);
/** A host without `/etc/protocols` lists numbers. */
const protocolNames: ReadonlyMap<string | number, string> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);
export const protocolElement = z
  .union([z.string(), z.number()])
  .transform((listed) => protocolNames.get(listed) ?? String(listed));
const portKey = z.object({
  concat: z.tuple([protocolElement.pipe(z.enum(['tcp', 'udp', 'sctp'])), z.number()]),
});
const snat = z.object({ snat: z.object({ family: z.enum(['ip', 'ip6']), addr: z.string() }) });

export interface Listing {
  /** By chain. */
  readonly rules: ReadonlyMap<string, readonly z.output<typeof chainRule>[]>;
  /** Elements of sets and maps by name. */
  readonly elements: ReadonlyMap<string, readonly unknown[]>;
}

/** Undefined when the text is no listing of nft. */
export function readListing(text: string): Listing | undefined {
  const parsed = listing.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const rules = new Map<string, z.output<typeof chainRule>[]>();
  const elements = new Map<string, readonly unknown[]>();
  for (const { rule, map, set } of parsed.data.nftables) {
    const read = chainRule.safeParse(rule);
    if (read.success)
      rules.set(read.data.chain, [...(rules.get(read.data.chain) ?? []), read.data]);
    const holder = named.safeParse(map ?? set);
    if (holder.success) elements.set(holder.data.name, holder.data.elem);
  }
  return { rules, elements };
}

/**
 * What the kernel really does, as of a listing of our table; undefined when the table is none that we
 * would write. Weights are not told: what is there is open.
 */
export function readBalancing(text: string, leg: Balancing['leg']): Balancing | undefined {
  const read = readListing(text);
  if (read === undefined) return undefined;
  const servers = new Map<string, VirtualServer>();
  for (const [set, family] of [
    ['vips4', 4],
    ['vips6', 6],
    ['ports4', 4],
    ['ports6', 6],
  ] as const) {
    for (const element of read.elements.get(set) ?? []) {
      const server = readServer(element, family, read);
      if (server === undefined) return undefined;
      servers.set(frontKey(server.front), server);
    }
  }
  const legDevice = legDeviceOf(read);
  if (legDevice !== leg?.device) return undefined;
  return { servers, source: sourceOf(read), masqueraded: masqueradedOf(read), leg };
}

function readServer(
  element: unknown,
  family: 4 | 6,
  { rules }: Listing,
): VirtualServer | undefined {
  const pair = goesTo.safeParse(element);
  if (!pair.success) return undefined;
  const [key, verdict] = pair.data;
  const front = readFront(key, family);
  const [rule, ...more] = rules.get(verdict.goto.target) ?? [];
  if (front === undefined || rule === undefined || more.length > 0) return undefined;
  const action = rule.expr
    .map(({ dnat }) => balance.safeParse(dnat))
    .find(({ success }) => success);
  if (!action?.success) return undefined;
  const { key: pick, data } = action.data.addr.map;
  const schedule: Schedule = 'jhash' in pick ? 'sh' : 'rr';
  const mod = 'jhash' in pick ? pick.jhash.mod : pick.numgen.mod;
  if (mod !== data.set.length) return undefined;
  return { front, label: rule.comment ?? '', schedule, backends: data.set.map(readBackend) };
}

function readFront(key: unknown, family: 4 | 6): Front | undefined {
  if (typeof key === 'string') return { kind: 'address', address: key };
  const port = portKey.safeParse(key);
  if (!port.success) return undefined;
  const [protocol, number] = port.data.concat;
  return { kind: 'port', family, protocol, port: number };
}

function readBackend([, where]: readonly [number, z.output<typeof place>]): Backend {
  if (typeof where === 'string') return { address: where, port: 0, open: true };
  const [address, port] = where.concat;
  return { address, port, open: true };
}

export function sourceOf({ rules }: Listing): FamilyAddresses {
  const found: { v4?: string; v6?: string } = {};
  for (const { expr } of rules.get('postrouting') ?? []) {
    for (const each of expr) {
      const read = snat.safeParse(each);
      if (!read.success) continue;
      if (read.data.snat.family === 'ip') found.v4 = read.data.snat.addr;
      else found.v6 = read.data.snat.addr;
    }
  }
  return found;
}

export function masqueradedOf({ elements }: Listing): ReadonlySet<string> {
  const members = ['masqueraded4', 'masqueraded6'].flatMap((set) => elements.get(set) ?? []);
  return new Set(members.filter((member) => typeof member === 'string'));
}

const legMatch = z.object({
  match: z.object({
    left: z.object({ meta: z.object({ key: z.literal('iifname') }) }),
    right: z.string(),
  }),
});

/** The device whose traffic the prerouting chain treats apart. */
export function legDeviceOf({ rules }: Listing): string | undefined {
  for (const { expr } of rules.get('prerouting') ?? []) {
    const read = legMatch.safeParse(expr[0]);
    if (read.success) return read.data.match.right;
  }
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
