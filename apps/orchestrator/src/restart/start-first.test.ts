import { describe, expect, it } from 'vitest';
import { second } from '../testing/objects.ts';
import { running } from '../testing/web-swarm.ts';

describe('a task that ends while the new one of a start-first update is on its way', () => {
  it('is not replaced once more', () => {
    const swarm = running({ Parallelism: 0, Order: 'start-first' });
    swarm.setImage('web', 'busybox:2');
    const inSlot = () => swarm.tasks('web').filter(({ slot }) => slot === 1);
    const isWanted = ({ desired }: { readonly desired: string }) => desired === 'running';
    swarm.runUntil('both', () => inSlot().filter(isWanted).length === 2);
    const old = inSlot().find(({ revision }) => revision === 1);
    if (old === undefined) throw new Error('no old task');
    swarm.end(old);
    swarm.run(30 * second);
    expect(inSlot()).toMatchObject([
      { id: old.id, desired: 'shutdown' },
      { revision: 2, status: { state: 'running' } },
    ]);
  });
});
