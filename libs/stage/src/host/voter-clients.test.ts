import type { Identity } from '@shoal/pki';
import { ClusterHarness, eventually } from '@shoal/raft/service/testing';
import { newId, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RemoteReplica } from '../follower/remote-replica.ts';
import { LeaseHolder } from '../lease.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { FakeRandom } from '../testing/fake-random.ts';
import { nodeChange } from '../testing/objects.ts';
import {
  awayMsMin,
  connectMs,
  homeLookMs,
  VoterClients,
  type VoterStream,
} from './voter-clients.ts';

let cluster: ClusterHarness;
let closers: (() => void)[];
beforeEach(async () => {
  closers = [];
  cluster = await ClusterHarness.start(3);
});
afterEach(async () => {
  for (const close of closers) close();
  await cluster.close();
});

/** Of the host whose voter is the first of the cluster. */
async function identity(managers: readonly string[]): Promise<Identity> {
  const { member } = cluster.voter(0);
  const { clusterId, trustRoots, certificate, key } = await cluster.proof(member.nodeId);
  return {
    clusterId,
    nodeId: member.nodeId,
    role: 'manager',
    voterId: member.id,
    advertiseAddr: '127.0.0.1',
    listenAddr: member.addr,
    logAddr: member.addr,
    dispatcherAddr: '',
    managers: managers.map((logAddr, at) => ({
      nodeId: at === 0 ? member.nodeId : `other${at}`,
      logAddr,
      dispatcherAddr: logAddr,
    })),
    caCertificate: trustRoots,
    certificate,
    key,
    logKeys: [],
  };
}

const addresses = (): readonly string[] => cluster.voters.map(({ member }) => member.addr);

describe('the ways to the voters', () => {
  test('each stream begins with the own voter, then asks every other before it begins anew', async () => {
    const clients = new VoterClients(
      await identity(addresses()),
      new FakeClock(),
      new FakeRandom(1),
      () => undefined,
    );
    closers.push(() => clients.close());
    const asked = (stream: VoterStream): string => clients.next(stream).getChannel().getTarget();
    const [own, ...others] = addresses();
    for (const stream of ['follow', 'propose', 'lease'] as const) {
      const round = [asked(stream), asked(stream), asked(stream)];
      expect(round[0]).toBe(`dns:${own}`);
      expect(round.toSorted()).toEqual([own, ...others].map((each) => `dns:${each}`).toSorted());
      expect(asked(stream)).toBe(`dns:${own}`);
    }
    const [first] = others;
    if (own === undefined || first === undefined) throw new Error('three voters');
    clients.renew(await identity([own, first]));
    expect([asked('follow'), asked('follow')]).toEqual([`dns:${first}`, `dns:${own}`]);
  });

  test('go home some time after the own voter is back', async () => {
    const clock = new FakeClock();
    let home = 0;
    await cluster.kill(cluster.voter(0));
    const clients = new VoterClients(await identity(addresses()), clock, new FakeRandom(1), () => {
      home += 1;
    });
    closers.push(() => clients.close());
    clients.next('follow');
    const away = clients.next('follow');
    expect(away.getChannel().getTarget()).not.toBe(`dns:${addresses()[0]}`);
    await clock.advance(awayMsMin + homeLookMs);
    expect(home).toBe(0);
    await cluster.restart(cluster.voter(0));
    await eventually(async () => {
      await clock.advance(homeLookMs);
      return home > 0;
    }, 'the streams are called home');
    expect(clients.next('follow').getChannel().getTarget()).toBe(`dns:${addresses()[0]}`);
  });

  test('leave a host that does not even refuse', async () => {
    const clock = new FakeClock();
    // Of a block that is for documentation: nobody answers there.
    const clients = new VoterClients(
      await identity(['own', '192.0.2.1:2377']),
      clock,
      new FakeRandom(1),
      () => undefined,
    );
    closers.push(() => clients.close());
    clients.next('follow');
    const call = clients.next('follow').follow({ after: 0, follower: 'test', prompt: true });
    let ended = false;
    call.on('error', () => {
      ended = true;
    });
    await clock.advance(connectMs.first - 1);
    expect(ended).toBe(false);
    await clock.advance(1);
    await eventually(() => ended, 'the stream is given up');
  });
});

test('a replica and a lease go on when the own voter dies, and when the leader does', async () => {
  const own = cluster.voter(0);
  const ports = { clock: systemClock, random: systemRandom };
  const clients = new VoterClients(
    await identity(addresses()),
    ports.clock,
    ports.random,
    () => undefined,
  );
  const replica = new RemoteReplica({
    ...ports,
    logger: silentLogger,
    client: (stream) => clients.next(stream),
    follower: 'test',
  });
  const lease = new LeaseHolder({
    ...ports,
    logger: silentLogger,
    client: () => clients.next('lease'),
    id: `scheduler@${own.member.nodeId}/0`,
    stage: 'scheduler',
    nodeId: own.member.nodeId,
    address: '',
  });
  const lost: unknown[] = [];
  lease.subscribe(() => {
    if (lease.current === undefined) lost.push('lost');
  });
  closers.push(
    () => replica.stop(),
    () => clients.close(),
    () => void lease.release(),
  );
  const write = async (id: string): Promise<void> => {
    const result = await replica.propose([
      {
        id: newId(systemRandom),
        actor: { kind: 'user', name: 'test' },
        reason: 'the test says so',
        decidedAt: replica.view.index,
        changes: [nodeChange(replica.view, id, id)],
      },
    ]);
    expect(result).toMatchObject({ kind: 'applied', outcomes: [{ kind: 'committed' }] });
    expect(replica.view.nodes.get(id)).toBeDefined();
  };
  const events: string[] = [];
  await eventually(() => lease.current !== undefined, 'the lease is granted');
  await write('before');
  replica.subscribe(({ kind }) => events.push(kind));
  await cluster.kill(own);
  await write('without the own voter');
  await cluster.restart(own);
  const leader = await cluster.leader();
  await cluster.kill(leader);
  await write('with another leader');
  await eventually(() => lease.current !== undefined, 'the lease is held');
  expect(lost).toEqual([]);
  // Where it stood it went on: no state was taken anew.
  expect(events).not.toContain('reset');
}, 30_000);
