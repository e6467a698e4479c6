import type { Change, Node, StateView } from '@shoal/state';

/** Creates the node, or gives it another name: the smallest change a test can make. */
export function nodeChange(view: StateView, id: string, name: string): Change {
  const existing = view.nodes.get(id);
  const object: Node = {
    id,
    meta: existing?.meta ?? ({ version: 0, createdAt: 0, updatedAt: 0 } as Node['meta']),
    spec: { Name: name, Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'ready', message: '', addr: '', dispatcher: '' },
  };
  return { op: existing === undefined ? 'create' : 'update', table: 'node', object };
}
