import { describe, expect, it } from 'vitest';
import { checkDependencyCycle, dependencyCycle, State, serviceByLabelName } from './index.ts';
import { commit } from './testing/bytes.ts';
import { create, revision, service, transaction } from './testing/objects.ts';

/** Services by name, with what each depends on. */
function viewOf(services: Readonly<Record<string, string>>, stack = ''): State['view'] {
  const state = new State();
  const changes = Object.entries(services).flatMap(([name, on]) => [
    create('service', service(name)),
    create('revision', revision(name, 1, { Labels: labelsOf(on, stack) })),
  ]);
  commit(state, transaction('services', changes));
  return state.view;
}

function labelsOf(on: string, stack = ''): Record<string, string> {
  return {
    ...(on !== '' && { 'shoal.depends-on': on }),
    ...(stack !== '' && { 'com.docker.stack.namespace': stack }),
  };
}

describe('a circle of dependencies', () => {
  it.each([
    { services: {}, name: 'web', on: 'web', circle: ['web', 'web'] },
    { services: { db: 'web' }, name: 'web', on: 'db', circle: ['web', 'db', 'web'] },
    {
      services: { db: 'cache:healthy', cache: 'queue,web:completed', queue: '' },
      name: 'web',
      on: 'db',
      circle: ['web', 'db', 'cache', 'web'],
    },
    { services: { db: 'Web' }, name: 'web', on: 'DB', circle: ['web', 'db', 'web'] },
    { services: { db: 'cache', cache: 'db' }, name: 'web', on: 'db', circle: undefined },
    { services: { db: '' }, name: 'web', on: 'db,absent', circle: undefined },
  ])('$name on $on with $services is $circle', ({ services, name, on, circle }) => {
    expect(dependencyCycle(viewOf(services), { name, labels: labelsOf(on) })).toEqual(circle);
  });

  it('is found through the short names of a stack', () => {
    const view = viewOf({ shop_db: 'web', db: '' }, 'shop');
    const web = { name: 'shop_web', labels: labelsOf('db', 'shop') };
    expect(dependencyCycle(view, web)).toEqual(['shop_web', 'shop_db', 'shop_web']);
  });

  it('is refused in one sentence', () => {
    const web = { name: 'web', labels: labelsOf('db') };
    expect(checkDependencyCycle(viewOf({ db: 'web' }), web)).toBe(
      'label shoal.depends-on of service web closes a circle in which nothing could start: web → db → web',
    );
    expect(checkDependencyCycle(viewOf({ db: '' }), web)).toBeUndefined();
  });
});

describe('a name in a label', () => {
  it('means a service of the same stack first, then any', () => {
    const view = viewOf({ shop_db: '', db: '', cache: '' });
    const labels = labelsOf('', 'shop');
    expect(serviceByLabelName(view, labels, 'db')?.name).toBe('shop_db');
    expect(serviceByLabelName(view, labels, 'cache')?.name).toBe('cache');
    expect(serviceByLabelName(view, {}, 'db')?.name).toBe('db');
    expect(serviceByLabelName(view, labels, 'absent')).toBeUndefined();
  });
});
