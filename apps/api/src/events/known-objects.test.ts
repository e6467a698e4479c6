import type { SwarmEvent } from '@shoal/docker-api';
import { systemClock, systemRandom } from '@shoal/runtime';
import type { Replica, ReplicaEvent } from '@shoal/stage';
import { FakeLog } from '@shoal/stage/testing';
import { type Config, newMeta } from '@shoal/state';
import { expect, test } from 'vitest';
import { SwarmEvents } from './swarm-events.ts';

const config = (id: string, label = ''): Config => ({
  id,
  meta: newMeta,
  spec: { Name: `name-of-${id}`, Labels: { label } },
  data: '',
});

test('what was written while the log was out of reach is told when the state jumps', () => {
  const log = new FakeLog({ clock: systemClock, random: systemRandom });
  const real = log.replica();
  let listener: (event: ReplicaEvent) => void = () => undefined;
  const replica: Pick<Replica, 'view' | 'subscribe'> = {
    get view() {
      return real.view;
    },
    subscribe: (told) => {
      listener = told;
      return () => undefined;
    },
  };
  const events = new SwarmEvents();
  events.follow(replica as Replica);
  const heard: string[] = [];
  events.watch(new Map(), ({ Type, Action, Actor }: SwarmEvent) =>
    heard.push(`${Type} ${Action} ${Actor.Attributes['name']}`),
  );
  for (const id of ['stays', 'goes', 'changes'])
    log.write([{ op: 'create', table: 'config', object: config(id) }]);
  // What was there when it began is no news.
  const jump = (): void => listener({ kind: 'reset', index: real.view.index });
  jump();
  expect(heard).toEqual([]);
  const versionOf = (id: string) => real.view.configs.get(id)?.meta ?? newMeta;
  const changed = { ...config('changes', 'new'), meta: versionOf('changes') };
  log.write([{ op: 'update', table: 'config', object: changed }]);
  log.write([{ op: 'create', table: 'config', object: config('comes') }]);
  log.write([{ op: 'delete', table: 'config', id: 'goes', version: versionOf('goes').version }]);
  jump();
  expect(heard.toSorted()).toEqual([
    'config create name-of-comes',
    'config remove name-of-goes',
    'config update name-of-changes',
  ]);
  heard.length = 0;
  jump();
  expect(heard).toEqual([]);
});
