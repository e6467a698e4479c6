import type { StateView } from '@shoal/state';
import type { VoterMachine } from './voter-machine.ts';

/**
 * Calls `listener` when managers have become workers, by an entry or by a snapshot that came in place of it: streams
 * that stand were opened as a manager's.
 */
export function watchDemotions(
  machine: Pick<VoterMachine, 'onApplied' | 'onRestoring'>,
  concerns: (nodeId: string) => boolean,
  listener: (demoted: (nodeId: string) => boolean) => void,
): void {
  const tell = (demoted: ReadonlySet<string>): void => {
    if (demoted.size > 0) listener((nodeId) => demoted.has(nodeId));
  };
  machine.onApplied(({ changes }) => {
    const demoted = new Set<string>();
    for (const { table, id, before, after } of changes) {
      if (table !== 'node' || !concerns(id)) continue;
      if (before?.role === 'manager' && after?.role === 'worker') demoted.add(id);
    }
    tell(demoted);
  });
  machine.onRestoring((before) => {
    const managers = managersOf(before);
    return (after) => {
      const demoted = managers.filter(
        (id) => concerns(id) && after.nodes.get(id)?.role === 'worker',
      );
      tell(new Set(demoted));
    };
  });
}

function managersOf({ nodes }: StateView): readonly string[] {
  return [...nodes.values()].flatMap(({ id, role }) => (role === 'manager' ? [id] : []));
}
