/** What the page shows, as the part of its address behind the # says. */
export type Route =
  | { readonly kind: 'overview' | 'map' | 'services' | 'nodes' | 'networks' | 'stored' | 'changes' }
  | { readonly kind: 'service' | 'node'; readonly id: string };

const plain = ['map', 'services', 'nodes', 'networks', 'stored', 'changes'] as const;
const id = /^[a-z0-9]{25}$/;

/** Where it says nothing that is known, the overview is shown. */
export function routeOf(hash: string): Route {
  const [kind = '', named = ''] = hash.replace(/^#\/?/, '').split('/');
  const found = plain.find((one) => one === kind);
  if (found !== undefined && named === '') return { kind: found };
  if ((kind === 'service' || kind === 'node') && id.test(named)) return { kind, id: named };
  return { kind: 'overview' };
}

/** The key of an address that `shoal dashboard` prints; undefined for any other. */
export function keyIn(hash: string): string | undefined {
  return /^#key=([\w-]+)$/.exec(hash)?.[1];
}
