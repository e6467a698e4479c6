import { describe, expect, test } from 'vitest';
import { chooseImage, type Offered } from './image-choice.ts';

const id = (letter: string) => `sha256:${letter.repeat(64)}`;
const offered = (nodeId: string, letter: string, createdAt: number): Offered => ({
  source: {
    nodeId,
    hostname: nodeId,
    addr: '10.0.0.1',
    manager: nodeId.startsWith('m'),
    unsaid: false,
  },
  offer: { id: id(letter), size: 1, createdAt },
});
const [m1, m2] = [offered('m1', 'a', 1), offered('m2', 'b', 2)] as const;
const [w1, w2, w3] = [offered('w1', 'b', 2), offered('w2', 'a', 1), offered('w3', 'c', 3)] as const;
const differ = 'nodes have different images of it, this one is the newest';

function chosen(one: Offered, from: readonly Offered[], note = '', isConfirmed = true) {
  const { offer } = one;
  return { kind: 'chosen', offer, sources: from.map(({ source }) => source), note, isConfirmed };
}

test('a spec that names the image itself gets that one, whoever has it and whatever is newer', () => {
  expect(chooseImage(`web:1@${id('a')}`, [m2, w2, w1], false)).toEqual(chosen(w2, [w2]));
});

describe('under a tag', () => {
  test('the newest counts, and the task says so', () => {
    expect(chooseImage('web:1', [w2, w1], false)).toEqual(chosen(w1, [w1], differ));
    expect(chooseImage('web:1', [m1, m2, w1], false)).toEqual(chosen(m2, [m2, w1], differ));
  });

  test("that of a manager counts before a worker's", () => {
    expect(chooseImage('web:1', [w3, m1, w2], false)).toEqual(chosen(m1, [m1, w2]));
  });

  test('images that are equally old are chosen alike in any order', () => {
    const same = offered('w4', 'd', 2);
    const one = chooseImage('web:1', [w1, same], false);
    expect(chooseImage('web:1', [same, w1], false)).toEqual(one);
  });
});

describe("a registry's digest", () => {
  const reference = `web@${id('f')}`;

  test('is what managers say it is; whoever has that image may give it', () => {
    expect(chooseImage(reference, [w3, m1, w2], false)).toEqual(chosen(m1, [m1, w2]));
  });

  test('is what workers agree on only when there is nobody else to ask', () => {
    expect(chooseImage(reference, [w1], false)).toEqual({
      kind: 'refused',
      reason: `no manager says which image ${id('f')} is`,
      isUnconfirmed: true,
    });
    expect(chooseImage(reference, [w1], true)).toEqual(chosen(w1, [w1], '', false));
  });

  test.each([[[m1, m2, w1]], [[w1, w2]]] as const)('is nothing they disagree on', (offers) => {
    expect(chooseImage(reference, offers, true)).toEqual({
      kind: 'refused',
      reason: `nodes disagree on which image ${id('f')} is`,
      isUnconfirmed: false,
    });
  });
});
