import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { afterEach, expect, test, vi } from 'vitest';
import { newAuthority, proofOf } from './testing/certificates.ts';
import { ClusterHarness, type HarnessVoter } from './testing/cluster-harness.ts';
import { eventually } from './testing/eventually.ts';
import { Follower } from './testing/follower.ts';
import { createNode, Proposer, transaction } from './testing/proposer.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cluster: ClusterHarness | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

/** The certificate a new connection is shown. */
function shownBy({ member }: HarnessVoter): Promise<X509Certificate> {
  const [host = '', port] = member.addr.split(':');
  return new Promise((resolve, reject) => {
    const options = { host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] };
    const socket = connect(options, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('certificates are renewed, and the root replaced, with no stream dropped', async () => {
  cluster = await ClusterHarness.start(3);
  const leader = await cluster.leader();
  const [other] = await cluster.others();
  const via = other as HarnessVoter;
  const proposer = new Proposer(cluster.client(via));
  const follower = new Follower(cluster.client(via));
  const { term } = await leader.voter.status();
  const before = await shownBy(via);

  // A new root: first everyone trusts both, then everyone has a certificate of the new one.
  const next = await newAuthority();
  const trustRoots = `${cluster.ca.certificate}${next.certificate}`;
  for (const { voter, options } of cluster.voters)
    expect(await voter.renew({ ...options.tls, trustRoots })).toEqual({ kind: 'done' });
  for (const { voter, member } of cluster.voters)
    await voter.renew({ ...(await proofOf(next, member.nodeId, 'manager')), trustRoots });
  const after = await shownBy(via);
  expect(after.serialNumber).not.toBe(before.serialNumber);
  expect(after.checkIssued(new X509Certificate(next.certificate))).toBe(true);

  const answer = await proposer.propose(transaction([createNode('after-renewal')]));
  expect(answer.error).toBeUndefined();
  await eventually(() => follower.index >= answer.index, 'the follower is still fed');
  expect([proposer.error, follower.error]).toEqual([undefined, undefined]);
  expect((await leader.voter.status()).term).toBe(term);

  // New connections are made with what is new: a voter that was down finds the others.
  await cluster.kill(via);
  const tls = { ...(await proofOf(next, via.member.nodeId, 'manager')), trustRoots };
  await cluster.restart(Object.assign(via, { options: { ...via.options, tls } }));
  await eventually(async () => {
    const status = await via.voter.status();
    return status.leaderId !== 0 && status.figures.peers.every((peer) => peer.connected);
  }, 'the restarted voter is connected');
});
