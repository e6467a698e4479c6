import { describe, expect, it } from 'vitest';
import { FakeBoard } from '../testing/fake-board.ts';

const oneCpu = { Resources: { Reservations: { NanoCPUs: 1e9 } } };

function labelled(labels: Record<string, string>) {
  return { Labels: labels };
}

describe('rank', () => {
  function unequal(): FakeBoard {
    const board = new FakeBoard();
    board.node('big', { cpus: 16 });
    board.node('small', { cpus: 4 });
    return board;
  }

  it.each([
    { rank: 'spread', counts: { big: 3, small: 3 } },
    { rank: 'free', counts: { big: 5, small: 1 } },
    { rank: 'binpack', counts: { big: 2, small: 4 } },
    { rank: 'anything else', counts: { big: 3, small: 3 } },
  ])('$rank places six tasks of one CPU on 16 and 4 CPUs as $counts', ({ rank, counts }) => {
    const board = unequal();
    board.service('web', oneCpu, labelled({ 'shoal.rank': rank }));
    board.tasks('web', 6);
    expect(board.schedule().counts()).toEqual(counts);
  });

  it('free evens out what is left, whoever took it', () => {
    const board = unequal();
    board.service('hungry', { Resources: { Reservations: { NanoCPUs: 14e9 } } });
    board.placed('hungry', 'big');
    board.service('web', oneCpu, labelled({ 'shoal.rank': 'free' }));
    board.tasks('web', 2);
    expect(board.schedule().counts('web')).toEqual({ big: 0, small: 2 });
  });

  it('free spreads tasks that reserve nothing over equal nodes', () => {
    const board = new FakeBoard();
    for (const id of ['a', 'b', 'c']) board.node(id);
    board.service('web', {}, labelled({ 'shoal.rank': 'free' }));
    board.tasks('web', 6);
    expect(board.schedule().counts()).toEqual({ a: 2, b: 2, c: 2 });
  });

  it('binpack spreads tasks that reserve nothing: they would all fit on one node', () => {
    const board = new FakeBoard();
    for (const id of ['a', 'b']) board.node(id);
    board.service('web', {}, labelled({ 'shoal.rank': 'binpack' }));
    board.tasks('web', 4);
    expect(board.schedule().counts()).toEqual({ a: 2, b: 2 });
  });

  it('is by CPU or memory, whichever has less left', () => {
    const board = new FakeBoard();
    board.node('cpus', { cpus: 64, memory: 2e9 });
    board.node('memory', { cpus: 4, memory: 64e9 });
    const Reservations = { NanoCPUs: 1e9, MemoryBytes: 1e9 };
    board.service('web', { Resources: { Reservations } }, labelled({ 'shoal.rank': 'free' }));
    board.tasks('web', 1);
    expect(board.schedule().counts()).toEqual({ cpus: 0, memory: 1 });
  });

  it('is by the cluster where the service says nothing', () => {
    const board = unequal();
    board.cluster({ 'shoal.rank': 'binpack' });
    board.service('web', oneCpu);
    board.service('own', oneCpu, labelled({ 'shoal.rank': 'free' }));
    board.tasks('web', 2);
    board.schedule();
    expect(board.counts('web')).toEqual({ big: 0, small: 2 });
    board.tasks('own', 2);
    expect(board.schedule().counts('own')).toEqual({ big: 2, small: 0 });
  });

  it('is counted within the spread preferences, which come first', () => {
    const board = new FakeBoard();
    board.node('a1', { labels: { az: 'a' }, cpus: 4 });
    board.node('a2', { labels: { az: 'a' }, cpus: 16 });
    board.node('b1', { labels: { az: 'b' }, cpus: 4 });
    const Preferences = [{ Spread: { SpreadDescriptor: 'node.labels.az' } }];
    const template = { ...oneCpu, Placement: { Preferences } };
    board.service('web', template, labelled({ 'shoal.rank': 'free' }));
    board.tasks('web', 4);
    expect(board.schedule().counts()).toEqual({ a1: 0, a2: 2, b1: 2 });
  });
});

describe('image locality', () => {
  function withImage(id: string, board: FakeBoard, ...images: string[]): void {
    board.changeNode(id, ({ description }) => ({
      description: description && { ...description, Images: images },
    }));
  }

  function four(): FakeBoard {
    const board = new FakeBoard();
    for (const id of ['a', 'b', 'c', 'd']) board.node(id);
    withImage('c', board, 'busybox:latest', 'sha256:abc');
    return board;
  }

  it.each([
    { image: 'busybox', label: 'true', node: 'c' },
    { image: 'busybox:latest@sha256:abc', label: 'true', node: 'c' },
  ])('prefers the node that has $image', ({ image, label, node }) => {
    const board = four();
    board.service('other');
    for (let at = 0; at < 3; at += 1) board.placed('other', 'c');
    const template = { ContainerSpec: { Image: image } };
    board.service('web', template, labelled({ 'shoal.image-locality': label }));
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe(node);
  });

  it('is off unless asked for', () => {
    const board = four();
    board.service('other');
    board.placed('other', 'c');
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).not.toBe('c');
  });

  it('never gathers the replicas of a service', () => {
    const board = four();
    board.service('web', {}, labelled({ 'shoal.image-locality': 'true' }));
    board.tasks('web', 4);
    expect(board.schedule().counts()).toEqual({ a: 1, b: 1, c: 1, d: 1 });
  });

  it('outweighs a quarter of a node when nodes are ranked by what is free', () => {
    const labels = { 'shoal.image-locality': 'true', 'shoal.rank': 'free' };
    for (const [taken, node] of [
      [1, 'c'],
      [4, 'a'],
    ] as const) {
      const board = new FakeBoard();
      for (const id of ['a', 'c']) board.node(id);
      withImage('c', board, 'busybox:latest');
      board.service('other', { Resources: { Reservations: { NanoCPUs: taken * 1e9 } } });
      board.placed('other', 'c');
      board.service('web', oneCpu, labelled(labels));
      const [id = ''] = board.tasks('web', 1);
      board.schedule();
      expect(board.task(id).nodeId).toBe(node);
    }
  });
});

describe('soft affinity', () => {
  function neighbours(): FakeBoard {
    const board = new FakeBoard();
    for (const id of ['a', 'b', 'c']) board.node(id);
    board.service('cache');
    board.service('db');
    board.placed('cache', 'b');
    board.placed('db', 'c');
    return board;
  }

  it.each([
    { labels: { 'shoal.affinity': 'cache' }, node: 'b' },
    { labels: { 'shoal.affinity': 'cache:soft' }, node: 'b' },
    { labels: { 'shoal.anti-affinity': 'cache,db' }, node: 'a' },
    { labels: { 'shoal.affinity': 'db', 'shoal.anti-affinity': 'cache' }, node: 'c' },
  ])('$labels prefers $node', ({ labels, node }) => {
    const board = neighbours();
    board.service('other');
    for (let at = 0; at < 3; at += 1) board.placed('other', node);
    board.service('web', {}, labelled(labels));
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe(node);
  });

  it('goes elsewhere when there is no room', () => {
    const board = neighbours();
    board.changeNode('b', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    board.service('web', {}, labelled({ 'shoal.affinity': 'cache' }));
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).status.state).toBe('assigned');
  });

  it('means the service of the same stack first', () => {
    const board = neighbours();
    board.service('shop_cache');
    board.placed('shop_cache', 'a');
    const labels = { 'com.docker.stack.namespace': 'shop', 'shoal.affinity': 'cache' };
    board.service('shop_web', {}, labelled(labels));
    const [id = ''] = board.tasks('shop_web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('a');
  });
});
