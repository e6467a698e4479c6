import type { LeaseTableView } from '@shoal/state';

/** A 64-bit hash in two 32-bit lanes, fed character by character. */
interface Lanes {
  readonly high: number;
  readonly low: number;
}

/** Offsets and primes of FNV-1a: the 32-bit pair, and a second pair so that the lanes differ. */
const start: Lanes = { high: 0x811c9dc5, low: 0x1b873593 };
const primeHigh = 0x01000193;
const primeLow = 0x85ebca6b;

function feed(lanes: Lanes, text: string): Lanes {
  let { high, low } = lanes;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, primeHigh);
    low = Math.imul(low ^ code, primeLow);
  }
  return { high, low };
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 53 well-mixed bits of the lanes, so that a weight is an exact number. */
function weight(lanes: Lanes): number {
  const high = mix(lanes.high ^ (lanes.low >>> 7));
  const low = mix(lanes.low ^ high);
  return (high >>> 11) * 2 ** 32 + low;
}

/** Which replica of a stage owns which key, agreed without a word between them. */
export interface Ownership {
  /** Ids of the live replicas, sorted. */
  readonly replicas: readonly string[];
  /** The replica that owns `key`; undefined when there is none. */
  owner(key: string): string | undefined;
}

/**
 * Highest-random-weight (rendezvous) hashing: each key goes to the replica with the greatest hash of
 * `replica \0 key`. When a replica leaves, only its own keys move. The hash is part of the protocol
 * between replicas of different versions and must not change.
 */
export function rendezvous(replicaIds: Iterable<string>): Ownership {
  const replicas = [...new Set(replicaIds)].sort();
  const prefixes = replicas.map((id) => feed(start, `${id}\0`));
  const owner = (key: string): string | undefined => {
    if (replicas.length === 1) return replicas[0];
    let best: string | undefined;
    let bestWeight = -1;
    for (const [at, prefix] of prefixes.entries()) {
      const own = weight(feed(prefix, key));
      if (own > bestWeight) {
        best = replicas[at];
        bestWeight = own;
      }
    }
    return best;
  };
  return { replicas, owner };
}

/** Ownership among the replicas of `stage` that hold a lease. */
export function ownershipOf(leases: LeaseTableView, stage: string): Ownership {
  return rendezvous(Array.from(leases.byStage(stage), (lease) => lease.id));
}
