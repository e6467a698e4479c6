// What Docker's own Swarm mode makes of a service, and what we make of it.
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Comparison } from './comparison.ts';
import { type Json, replaced } from './json.ts';
import {
  type Neighbour,
  neighboursAnywhere,
  specialNeighbours,
  wholeSpec,
} from './service-spec.ts';
import { type Answer, idOf, type Side } from './side.ts';
import { useSides } from './sides.ts';
import { wantedOfServices } from './wanted.ts';

const sides = useSides('differential-services');
const leastSpec: Json = {
  Name: 'least',
  TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
  Mode: { Replicated: { Replicas: 0 } },
};
let comparison: Comparison | undefined;

/** One for the whole file, so that at its end every wanted difference must have been seen. */
function compare(): Comparison {
  const { docker, shoal } = sides();
  comparison ??= new Comparison(docker, shoal, wantedOfServices);
  return comparison;
}

/** Without a name each side thinks of one of its own. */
function isNamed({ spec }: Neighbour): boolean {
  return typeof spec === 'object' && spec !== null && Boolean(Reflect.get(spec, 'Name'));
}

async function createBoth(both: Comparison, { change, spec }: Neighbour): Promise<void> {
  const made = new Map<Side, string>();
  const { isDone } = await both.ask('create', change, async (side) => {
    const answer = await side.call('POST', '/services/create', spec);
    const id = idOf(answer);
    if (id !== undefined) made.set(side, id);
    return answer;
  });
  if (isDone)
    await both.read('created', change, async (side) => {
      const { body } = await side.call('GET', `/services/${made.get(side)}`);
      return body;
    });
  for (const [side, id] of made) await side.call('DELETE', `/services/${id}`);
}

test('the same services are created and refused, in the same words, and shown the same', async () => {
  const both = compare();
  await createBoth(both, { change: 'nothing', spec: wholeSpec });
  await createBoth(both, { change: 'least', spec: leastSpec });
  for (const neighbours of [
    neighboursAnywhere(wholeSpec),
    specialNeighbours(wholeSpec),
    specialNeighbours(leastSpec),
  ])
    for (const each of neighbours) if (isNamed(each)) await createBoth(both, each);
  expect(both.takeUnwanted()).toEqual([]);
});

const sequence = /update out of sequence/;

/** As a client does that reads, changes and writes, again where the stages were faster. */
async function update(side: Side, spec: Json, query = ''): Promise<Answer> {
  for (;;) {
    const { body } = await side.call('GET', '/services/<updated>');
    const version: unknown = Reflect.get(body as object, 'Version');
    const index = String(Reflect.get(version as object, 'Index'));
    const path = `/services/<updated>/update?version=${index}${query}`;
    const answer = await side.call('POST', path, spec);
    if (!sequence.test(answer.text)) return answer;
    await pause(10);
  }
}

test('the same updates are made and refused, and what was before is shown the same', async () => {
  const both = compare();
  const spec = replaced(wholeSpec, ['Name'], 'updated');
  for (const side of both.sides) await side.make('updated', '/services/create', spec);
  const specOf = async (side: Side): Promise<unknown> => {
    const { body } = await side.call('GET', '/services/<updated>');
    return { Spec: Reflect.get(body as object, 'Spec') };
  };
  for (const { change, spec: changed } of specialNeighbours(spec)) {
    const { isDone } = await both.ask('update', change, (side) => update(side, changed));
    if (!isDone) continue;
    await both.read('updated', change, specOf);
    for (const side of both.sides) await update(side, spec);
  }
  for (const query of [
    ...['&rollback=previous', '&rollback=foo', '&registryAuthFrom=spec'],
    ...['&registryAuthFrom=previous-spec', '&registryAuthFrom=foo'],
  ])
    await both.ask('update', query, (side) => update(side, spec, query));
  for (const version of ['', 'x', '-1', '0', '1', '1.5', '99999999999999999999999'])
    await both.ask('update', `version=${version}`, (side) =>
      side.call('POST', `/services/<updated>/update?version=${version}`, spec),
    );
  await both.ask('update', 'no version', (side) =>
    side.call('POST', '/services/<updated>/update', spec),
  );
  expect(both.takeUnwanted()).toEqual([]);
});

test('every difference that is wanted was seen', () => {
  expect(compare().asked).toBeGreaterThan(1_000);
  expect(compare().unseen).toEqual([]);
});
