/** An id of the swarm's objects. */
const id = '[a-z0-9]{25}';

/** All that the dashboard may read. Nothing of it changes anything, or says a secret: tokens to join, keys, what is in secrets. */
const shown: readonly RegExp[] = [
  /^\/(?:nodes|services|tasks|networks|secrets|configs|version)$/,
  /^\/shoal\/v1\/(?:status|audit|capacity|changes|places|settings|survivability)$/,
  new RegExp(`^/shoal/v1/(?:services|tasks)/${id}/explain$`),
  new RegExp(`^/shoal/v1/services/${id}/revisions$`),
  new RegExp(`^/(?:services|tasks)/${id}/logs$`),
  /^\/containers\/[0-9a-f]{64}\/stats$/,
];

/** Whether the dashboard may ask this of the API. `target` is a path with its query, as it came. */
export function isShown(target: string): boolean {
  const [path = ''] = target.split('?', 1);
  return shown.some((form) => form.test(path));
}
