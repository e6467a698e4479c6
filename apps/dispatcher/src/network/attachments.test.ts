import { settle } from '@shoal/stage/testing';
import { beforeEach, expect, test } from 'vitest';
import { FakeHost, NetworkSwarm } from '../testing/fake-network-swarm.ts';
import { attachmentGraceMs } from './limits.ts';

let swarm: NetworkSwarm;

beforeEach(() => {
  swarm = new NetworkSwarm();
});

test('a container run by hand gets an address, a name, and is forgotten with its node', async () => {
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  const request = { networkId: 'net', attachmentId: '', name: '', wanted: '' };
  const answer = dispatcher.networks.attach('n1', request);
  await settle();
  const [attachment] = swarm.log.view.attachments.byNode('n1');
  if (attachment === undefined) throw new Error('no attachment');
  expect(attachment).toMatchObject({ kind: 'container', networkId: 'net', addresses: [] });
  expect(host.networks?.map(({ id }) => id)).toEqual(['net']);
  const given = { ...attachment, addresses: ['10.0.1.77/24'] };
  swarm.log.write([{ op: 'update', table: 'attachment', object: given }]);
  const { attachmentId, addresses, record, problem } = await answer;
  expect({ attachmentId, addresses, problem }).toEqual({
    attachmentId: attachment.id,
    addresses: ['10.0.1.77/24'],
    problem: '',
  });
  expect(JSON.parse(record.toString())).toMatchObject({ kind: 'container', vtep: '192.0.2.1' });
  const named = dispatcher.networks.attach('n1', { ...request, attachmentId, name: 'box' });
  await settle();
  expect(JSON.parse((await named).record.toString())).toMatchObject({ name: 'box' });
  dispatcher.networks.attachments.detach('n2', attachmentId);
  await settle();
  await swarm.advance(500);
  expect(swarm.log.view.attachments.get(attachmentId)).toBeDefined();
  host.serves([], [attachmentId]);
  await swarm.clock.advance(attachmentGraceMs + 1_000);
  await host.register(dispatcher, 'another session');
  host.serves([]);
  host.serves([], [attachmentId]);
  await swarm.advance(500);
  expect(swarm.log.view.attachments.get(attachmentId)).toBeDefined();
  host.serves([], []);
  await swarm.advance(500);
  expect(swarm.log.view.attachments.get(attachmentId)).toBeUndefined();
});

test('a container in a network that is not attachable or does not exist is refused in words of Docker', async () => {
  const dispatcher = swarm.start();
  swarm.addNetwork('closed');
  const request = { attachmentId: '', name: '', wanted: '' };
  const refused = async (networkId: string) =>
    (await dispatcher.networks.attach('n1', { ...request, networkId })).problem;
  expect(await refused('closed')).toBe('network closed not manually attachable');
  expect(await refused('none')).toBe('network none not found');
  expect(swarm.log.view.attachments.size).toBe(0);
});

test('an attachment whose address does not come is given up and leaves nothing', async () => {
  const dispatcher = swarm.start();
  const request = { networkId: 'net', attachmentId: '', name: '', wanted: '' };
  const answer = dispatcher.networks.attach('n1', request);
  await settle();
  expect(swarm.log.view.attachments.size).toBe(1);
  await swarm.advance(5_000);
  expect((await answer).problem).toBe('no address of network net came in time');
  await swarm.advance(500);
  expect(swarm.log.view.attachments.size).toBe(0);
});

test('an attachment that cannot have an address is told why, and leaves nothing', async () => {
  const dispatcher = swarm.start();
  const request = { networkId: 'net', attachmentId: '', name: '', wanted: '10.0.1.11' };
  const answer = dispatcher.networks.attach('n1', request);
  await settle();
  const [attachment] = swarm.log.view.attachments.byNode('n1');
  if (attachment === undefined) throw new Error('no attachment');
  const problem = 'address 10.0.1.11 is taken';
  swarm.log.write([{ op: 'update', table: 'attachment', object: { ...attachment, problem } }]);
  expect((await answer).problem).toBe(problem);
  await swarm.advance(500);
  expect(swarm.log.view.attachments.size).toBe(0);
});

const held = { networkId: 'net', attachmentId: 'a'.repeat(25), name: 'box', wanted: '10.0.1.77' };

test('a container whose attachment was given up gets its own again, with the address it has', async () => {
  const dispatcher = swarm.start();
  swarm.addTask('a', 78, 'n2');
  const answer = dispatcher.networks.attach('n1', held);
  // The audit asks at the same time.
  const twice = dispatcher.networks.attach('n1', held);
  await settle();
  const attachment = swarm.log.view.attachments.get(held.attachmentId);
  if (attachment === undefined) throw new Error('no attachment');
  const { attachmentId: id, ...asked } = held;
  expect(attachment).toMatchObject({ id, nodeId: 'n1', kind: 'container', ...asked });
  const given = { ...attachment, addresses: ['10.0.1.77/24'] };
  swarm.log.write([{ op: 'update', table: 'attachment', object: given }]);
  expect(await answer).toMatchObject({ attachmentId: id, addresses: ['10.0.1.77/24'] });
  expect((await twice).problem).toBe(`attachment ${id} not found`);
  expect(swarm.log.view.attachments.size).toBe(1);
});

test.each([
  ['its address is somebody else’s', { wanted: '10.0.1.78' }, true],
  ['it does not say which it has', { wanted: '' }, false],
  ['it is none of a container', { attachmentId: 'net.n1' }, false],
])('it gets none where %s', async (_, change, isGivenAway) => {
  const dispatcher = swarm.start();
  swarm.addTask('a', 78, 'n2');
  const request = { ...held, ...change };
  const { problem, givenAway } = await dispatcher.networks.attach('n1', request);
  expect(givenAway).toBe(isGivenAway);
  expect(problem).toBe(`attachment ${request.attachmentId} not found`);
  expect(swarm.log.view.attachments.size).toBe(0);
});
