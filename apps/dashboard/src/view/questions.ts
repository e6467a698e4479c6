/** What several parts of the page ask for. */

/** Tasks by Docker's filters. */
export function tasksWhere(filters: Readonly<Record<string, readonly string[]>>): string {
  return `/tasks?filters=${encodeURIComponent(JSON.stringify(filters))}`;
}

/** Networks of the swarm; those of this host's engine alone are left out. */
export const swarmNetworks = `/networks?filters=${encodeURIComponent('{"scope":["swarm"]}')}`;
export const allServices = '/services?status=true';
export const allPlaces = '/shoal/v1/places';
