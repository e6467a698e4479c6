import { expect, test } from 'vitest';
import { type Config, type Secret, State, unusedDocuments } from './index.ts';
import { commit } from './testing/bytes.ts';
import { create, meta, remove, revision, service, spec, transaction } from './testing/objects.ts';

const config = (id: string): Config => ({
  id,
  meta: meta(),
  spec: { Name: `config-${id}`, Labels: {} },
  data: '',
});
const secret = (id: string): Secret => ({
  id,
  meta: meta(),
  spec: { Name: `secret-${id}`, Labels: {} },
  data: { sealed: 'x' },
});

/** A revision whose tasks are given these. */
function giving(number: number, SecretID: string, ConfigID: string) {
  const template = spec('web').TaskTemplate;
  const ContainerSpec = {
    ...template.ContainerSpec,
    Secrets: [{ SecretID, SecretName: `secret-${SecretID}` }],
    Configs: [{ ConfigID, ConfigName: `config-${ConfigID}` }],
  };
  return revision('web', number, { TaskTemplate: { ...template, ContainerSpec } });
}

test('what a kept revision names is in use, also when it is not the current one', () => {
  const state = new State();
  const ids = ['a', 'b', 'c'];
  commit(
    state,
    transaction('documents', [
      ...ids.map((id) => create('secret', secret(id))),
      ...ids.map((id) => create('config', config(id))),
    ]),
  );
  commit(
    state,
    transaction('service', [
      create('service', service('web', 'web', 2)),
      create('revision', giving(1, 'a', 'b')),
      create('revision', giving(2, 'b', 'b')),
    ]),
  );
  const unused = (): readonly string[] => {
    const { secrets, configs } = unusedDocuments(state.view);
    return [...secrets, ...configs].map(({ spec: { Name } }) => Name);
  };
  expect(unused()).toEqual(['secret-c', 'config-a', 'config-c']);
  commit(state, transaction('trim', [remove('revision', 'web.1', 2)]));
  expect(unused()).toEqual(['secret-a', 'secret-c', 'config-a', 'config-c']);
});
