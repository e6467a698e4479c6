import type { CertificateOutcome, CertificateProof, Identity, NodeRole } from '@shoal/pki';
import { isTrusted, validityOf } from '@shoal/pki';
import type { Manager } from '@shoal/proto';
import { type Instant, silentLogger } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { Node } from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { clusterId, FakeAuthority, nodeId } from '../testing/fake-identity.ts';
import { CertificateKeeper } from './keeper.ts';
import { renewalReason, type Swarm } from './reason.ts';

const hour = 3_600_000;
const day = 24 * hour;
const life = 90 * day;
const random = { next: () => 0.5, bytes: (count: number) => new Uint8Array(count) };
const manager = (at: number): Manager => ({
  nodeId: `m${at}`,
  logAddr: `m${at}:2377`,
  dispatcherAddr: `m${at}:2378`,
});

/** Its wall clock can be set, as people do. */
class SettableClock extends FakeClock {
  #offMs = 0;

  override now(): Instant {
    return (super.now() + this.#offMs) as Instant;
  }

  set(byMs: number): void {
    this.#offMs += byMs;
  }
}

let clock: SettableClock;
let authority: FakeAuthority;

beforeEach(async () => {
  clock = new SettableClock();
  authority = await FakeAuthority.start(clock.now());
});

function swarm(role: NodeRole, roots: readonly FakeAuthority[], managers: Manager[]): Swarm {
  const certificates = roots.map(({ ca }) => ca.certificate);
  return {
    node: { id: nodeId, role } as Node,
    view: {
      node: Buffer.alloc(0),
      managers,
      trustRoots: certificates.join(''),
      issuer: certificates.at(-1) ?? '',
      gossipKeys: [],
    },
  };
}

/** A keeper, the identity on its disk, and managers that answer as `answer` says. */
async function start(
  identity: Identity,
  answer: () => Promise<CertificateOutcome> = () => issued('worker'),
) {
  const scene = {
    disk: identity,
    writes: 0,
    asked: [] as { addresses: readonly string[]; proof: CertificateProof; at: number }[],
    answer,
  };
  const keeper: CertificateKeeper = new CertificateKeeper({
    identity,
    request: (addresses, proof) => {
      scene.asked.push({ addresses, proof, at: clock.monotonic() });
      return scene.answer();
    },
    update: async (change) => {
      scene.disk = change(scene.disk);
      scene.writes += 1;
      return scene.disk;
    },
    clock,
    random,
    logger: silentLogger,
  });
  /** Crypto takes real time. */
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    const end = performance.now() + 15_000;
    while (!holds() && performance.now() < end) {
      await clock.advance(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!holds()) throw new Error(`waited in vain: ${what}`);
    keeper.changed(scene.disk);
    await clock.advance(0);
  };
  await clock.advance(0);
  return { scene, keeper, until };
}

async function issued(role: NodeRole, by = authority): Promise<CertificateOutcome> {
  const { caCertificate, ...proof } = await by.issue(role, clock.now(), life);
  return {
    kind: 'issued',
    nodeId,
    role,
    clusterId,
    ...proof,
    trustRoots: caCertificate,
    sealKey: role === 'manager' ? Buffer.alloc(32, 1) : undefined,
    voters: [],
    managers: [],
    clockAheadMs: 0,
  };
}

const unreachable = { kind: 'failed', code: 'unreachable', message: 'nobody' } as const;

describe('why a certificate is renewed', () => {
  const cases: readonly [
    what: string,
    atMs: number,
    swarm: () => Swarm | undefined,
    reason: string | undefined,
  ][] = [
    ['nothing is wrong', 0, () => swarm('worker', [authority], []), undefined],
    ['nothing was heard', 0, () => undefined, undefined],
    ['it is due', 0.65 * life, () => undefined, 'the certificate has lived long enough'],
    ['it ended', life + hour, () => undefined, 'the certificate is not valid at this time'],
    ['it is yet to begin', -day, () => undefined, 'the certificate is not valid at this time'],
    [
      'the node is promoted',
      0,
      () => swarm('manager', [authority], []),
      'the node is to be a manager',
    ],
  ];
  test.each(cases)('%s', async (_, atMs, seen, reason) => {
    const identity = await authority.worker(clock.now(), []);
    const from = validityOf(identity.certificate)?.from ?? 0;
    const at = (ms: number): Instant => (from + ms) as Instant;
    expect(renewalReason(identity, seen(), at(atMs + hour), at(0.65 * life))).toBe(reason);
  });

  test('the root rotates', async () => {
    const identity = await authority.worker(clock.now(), []);
    const fresh = await FakeAuthority.start(clock.now());
    const seen = swarm('worker', [authority, fresh], []);
    const dueAt = (clock.now() + life) as Instant;
    expect(renewalReason(identity, seen, clock.now(), dueAt)).toBe('the root of trust rotates');
  });

  test('a manager lost the key that opens what is sealed', async () => {
    const worker = await authority.worker(clock.now(), []);
    const manager: Identity = { ...worker, role: 'manager' };
    const dueAt = (clock.now() + life) as Instant;
    const reason = "the cluster's seal key is missing";
    expect(renewalReason(manager, undefined, clock.now(), dueAt)).toBe(reason);
    const whole = { ...manager, sealKey: Buffer.alloc(32, 1) };
    expect(renewalReason(whole, undefined, clock.now(), dueAt)).toBeUndefined();
  });
});

describe('the keeper of the certificate', () => {
  test('asks in the second half of its life, and not before', async () => {
    const identity = await authority.worker(clock.now(), [manager(1)]);
    const { scene, keeper, until } = await start(identity);
    // Few timers: a look every half minute would take the test a while.
    clock.set(0.5 * life - day);
    await clock.advance(60_000);
    expect(scene.asked).toEqual([]);
    clock.set(0.3 * life + day);
    await clock.advance(60_000);
    await until('it is renewed', () => scene.writes > 0);
    expect(scene.asked).toHaveLength(1);
    expect(scene.asked[0]?.proof).toMatchObject({ kind: 'renewal', key: identity.key });
    expect(validityOf(scene.disk.certificate)?.to).toBeGreaterThan(clock.now() + 0.9 * life);
    expect(scene.disk).toMatchObject({ nodeId, managers: identity.managers });
    keeper.stop();
    expect(clock.timers).toBe(0);
  });

  test('asks at once when the node is promoted, and demoted; secrets come and go', async () => {
    const { scene, keeper, until } = await start(await authority.worker(clock.now(), [manager(1)]));
    scene.answer = () => issued('manager');
    keeper.told(swarm('manager', [authority], [manager(1)]));
    await until('it is a manager', () => scene.disk.role === 'manager');
    expect(scene.disk.sealKey).toHaveLength(32);
    scene.answer = () => issued('worker');
    keeper.told(swarm('worker', [authority], [manager(1)]));
    await until('it is a worker', () => scene.disk.role === 'worker');
    expect(scene.disk.sealKey).toBeUndefined();
    expect(scene.asked).toHaveLength(2);
    keeper.stop();
  });

  test('a manager that is behind, and issues the old role, is not asked again at once', async () => {
    const { scene, keeper, until } = await start(await authority.worker(clock.now(), [manager(1)]));
    keeper.told(swarm('manager', [authority], [manager(1)]));
    await until('something is issued', () => scene.writes > 0);
    await clock.advance(2_000);
    expect(scene.asked).toHaveLength(1);
    scene.answer = () => issued('manager');
    await clock.advance(5_000);
    await until('it is a manager', () => scene.disk.role === 'manager');
    expect(scene.asked).toHaveLength(2);
    keeper.stop();
  });

  test('waits longer after each failure, from seconds to an hour', async () => {
    const { scene, keeper } = await start(await authority.worker(clock.now(), [manager(1)]));
    scene.answer = async () => unreachable;
    keeper.told(swarm('manager', [authority], [manager(1)]));
    await clock.advance(12 * hour);
    const gaps = scene.asked.map(({ at }, index) => at - (scene.asked[index - 1]?.at ?? at));
    expect(gaps.slice(1, 4)).toEqual([3_750, 7_500, 15_000]);
    for (const gap of gaps.slice(10)) {
      expect(gap).toBeGreaterThanOrEqual(hour / 2);
      expect(gap).toBeLessThanOrEqual(hour + 60_000);
    }
    keeper.stop();
  });

  test('asks anew when the clock was set', async () => {
    const identity = await authority.worker(clock.now(), [manager(1)]);
    // At init the clock was a day ahead.
    clock.set(-day);
    const { scene, keeper, until } = await start(identity, async () => ({
      kind: 'failed',
      code: 'clock',
      message: 'is not valid',
    }));
    await clock.advance(hour);
    const before = scene.asked.length;
    scene.answer = () => issued('worker');
    clock.set(2 * hour);
    await clock.advance(60_000);
    await until('it is renewed', () => scene.writes > 0);
    expect(scene.asked).toHaveLength(before + 1);
    expect(renewalReason(scene.disk, undefined, clock.now(), clock.now())).toBe(
      'the certificate has lived long enough',
    );
    keeper.stop();
  });

  test('notes the managers as they change, and asks those that are', async () => {
    const { scene, keeper, until } = await start(await authority.worker(clock.now(), [manager(1)]));
    const seen = swarm('worker', [authority], [manager(3), manager(2)]);
    keeper.told(seen);
    await until('they are noted', () => scene.writes > 0);
    expect(scene.disk.managers).toEqual([manager(2), manager(3)]);
    keeper.told(seen);
    await clock.advance(60_000);
    expect(scene.writes).toBe(1);
    keeper.told(swarm('manager', [authority], [manager(2), manager(3)]));
    await clock.advance(0);
    expect(scene.asked[0]?.addresses.toSorted()).toEqual(['m2:2377', 'm3:2377']);
    keeper.stop();
  });

  test('follows a rotation of the root to its end, and is trusted by both at every step', async () => {
    const { scene, keeper, until } = await start(await authority.worker(clock.now(), [manager(1)]));
    const fresh = await FakeAuthority.start(clock.now());
    const trusted = (): boolean => isTrusted(scene.disk.certificate, scene.disk.caCertificate);
    const both = authority.ca.certificate + fresh.ca.certificate;
    let granted = false;
    scene.answer = async () =>
      granted
        ? { ...(await issued('worker', fresh)), trustRoots: both }
        : (unreachable as CertificateOutcome);
    keeper.told(swarm('worker', [authority, fresh], [manager(1)]));
    await until('both roots are trusted', () => scene.disk.caCertificate === both);
    expect(trusted()).toBe(true);
    // The rotation ended while no manager could be reached: the old certificate must not lose its root.
    keeper.told(swarm('worker', [fresh], [manager(1)]));
    await clock.advance(1_000);
    expect(trusted()).toBe(true);
    granted = true;
    await clock.advance(60_000);
    await until('the fresh root alone is trusted', () => {
      keeper.told(swarm('worker', [fresh], [manager(1)]));
      return scene.disk.caCertificate === fresh.ca.certificate;
    });
    expect(trusted()).toBe(true);
    keeper.stop();
  });
});
