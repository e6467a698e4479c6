import { readFile, writeFile } from 'node:fs/promises';
import type { EndpointRecord } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  assignment,
  NetworkedHost,
  network,
  nodeId,
  record,
  remote,
  stepMs,
} from '../testing/networked-host.ts';
import { sampleNode } from '../testing/sample-task.ts';
import { networksFile } from './memory.ts';

let host: NetworkedHost;

beforeEach(async () => {
  host = await NetworkedHost.start();
});
afterEach(() => host.end());

describe('after a restart of the agent', () => {
  test('everything is as it was, without a dispatcher, and consumers see no difference', async () => {
    host.inNetwork([remote('a')]);
    const before = host.consumer('dns');
    before.serve();
    host.networking.joined(assignment('t'), 'c', sampleNode);
    await Promise.resolve();
    before.serve();
    const serve = host.networking.serve('t');
    await host.advance(stepMs);
    before.serve();
    await host.finished(serve);
    await host.restart();
    expect(host.overlay.wanted).toEqual([network('n')]);
    expect(host.published('t')).toMatchObject({ serving: true });
    const dns = host.consumer('dns');
    // Nothing is told while the network is not there again.
    expect(dns.updates).toEqual([]);
    host.overlay.build('n');
    const [change] = dns.updates.flatMap(({ changes }) => changes);
    const { records } = JSON.parse(change?.toString() ?? '');
    const ids = records.map(({ endpointId }: EndpointRecord) => endpointId).sort();
    expect(ids).toEqual(['a', `lb.${nodeId}`, 't']);
  });

  test('gossip has its keys and hosts to find, without a dispatcher', async () => {
    host.inNetwork();
    host.gossip.judge([{ nodeId: 'h2', addr: '192.0.2.2:7946', standing: 'alive' }]);
    await host.restart();
    expect(host.gossip.ring).toEqual([{ number: 7, key: Buffer.alloc(32, 1) }]);
    expect(host.gossip.seeds).toEqual([
      { nodeId: 'h2', addr: '192.0.2.2' },
      { nodeId: 'm1', addr: '192.0.2.9' },
      { nodeId: 'm2', addr: 'fd00::9' },
    ]);
  });

  test('consumers hear of everything at once where the networks are still there', async () => {
    host.inNetwork([remote('a')]);
    host.networking.joined(assignment('t'), 'c', sampleNode);
    await host.finished(host.networking.serve('t'));
    const kept = host.overlay;
    await host.networking.close();
    const dns = host.consumer('dns');
    await host.begin(kept);
    expect(dns.updates).toHaveLength(1);
    const [change] = dns.updates[0]?.changes ?? [];
    const { records } = JSON.parse(change?.toString() ?? '{}');
    expect(records.map(({ endpointId }: EndpointRecord) => endpointId)).toContain('a');
    expect(records).toContainEqual(expect.objectContaining({ endpointId: 't', serving: true }));
  });

  test('a task whose container is gone is withdrawn, one that runs is not', async () => {
    host.inNetwork();
    for (const id of ['t', 'u']) {
      host.networking.joined(assignment(id), 'c', sampleNode);
      await host.finished(host.networking.serve(id));
    }
    await host.restart();
    host.overlay.build('n');
    expect(host.gossip.settled).toBe(0);
    host.networking.found(new Set(['u']));
    expect(host.gossip.settled).toBe(1);
    expect(host.published('t')).toBeUndefined();
    expect(host.gossip.pushed.at(-1)).toMatchObject({ kind: 'withdrawal', endpointId: 't' });
    host.networking.restored(assignment('u'), 'c', sampleNode);
    expect(host.published('u')).toMatchObject({ serving: true });
    // The driver may have lost whose the container is.
    expect(host.overlay.claimed).toEqual(['u']);
    await host.finished(host.networking.drain('u'));
    expect(host.published('u')).toMatchObject({ serving: false });
  });

  test('a container run by hand has its host’s address of now, whatever was kept of it', async () => {
    host.inNetwork();
    const addresses = ['10.0.1.50/24'];
    host.networking.containers.held({ networkId: 'n', endpointId: 'hand', addresses });
    await host.networking.close();
    const file = networksFile(host.folder);
    const kept = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...kept, vtep: '192.0.2.77' }));
    await host.begin();
    expect(host.published('hand')?.vtep).toBe('192.0.2.77');
  });

  test('what was kept and cannot be read is as nothing', async () => {
    host.inNetwork([remote('a')]);
    await host.networking.close();
    const file = networksFile(host.folder);
    const kept = JSON.parse(await readFile(file, 'utf8'));
    const [{ serving: _serving, ...broken }] = kept.records.n;
    await writeFile(file, JSON.stringify({ ...kept, records: { n: [broken] } }));
    await host.begin();
    expect(host.gossip.joined.size).toBe(0);
  });

  test('a container run by hand of which only the driver knows keeps its address', async () => {
    host.inNetwork();
    await host.restart();
    const addresses = ['10.0.1.50/24'];
    host.networking.containers.held({ networkId: 'n', endpointId: 'hand', addresses });
    expect(host.published('hand')).toEqual(
      record('hand', {
        kind: 'container',
        addresses: ['10.0.1.50'],
        name: '',
        slot: 0,
        serving: true,
      }),
    );
    const there = { sandbox: '/s', mac: '', addresses: ['10.0.1.50'], networks: ['n'] };
    host.overlay.build('n', { local: [{ endpointId: 'hand', ...there }] });
    expect(host.networking.digests.now()).toMatchObject({
      attachments: ['hand'],
      attachmentsKnown: true,
    });
  });

  test('a network that cannot be built again does not hold up the others for ever', async () => {
    host.inNetwork();
    await host.restart();
    const dns = host.consumer('dns');
    await host.advance(9_000);
    expect(dns.updates).toEqual([]);
    await host.advance(2_000);
    expect(dns.updates).toHaveLength(1);
  });
});
