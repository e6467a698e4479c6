/** What a node may do, as its certificate proves it. */
export type NodeRole = 'manager' | 'worker';

/** The certificate's organisational unit of a role; also a DNS name in the certificate. */
export function roleUnit(role: NodeRole): string {
  return `swarm-${role}`;
}

/** The role an organisational unit stands for. */
export function roleOf(unit: string): NodeRole | undefined {
  if (unit === 'swarm-manager') return 'manager';
  if (unit === 'swarm-worker') return 'worker';
  return undefined;
}
