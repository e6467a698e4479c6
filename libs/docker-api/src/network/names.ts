export const mtuOption = 'com.docker.network.driver.mtu';
export const vniOption = 'com.docker.network.driver.overlay.vxlanid_list';
/** On the engine's own network that stands on a host for one of the swarm: the swarm network's id. */
export const standInLabel = 'com.shoal.network';

/** Names that every engine gives to networks of its own. */
const predefinedNames: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default']);

export function isPredefinedName(name: string): boolean {
  return predefinedNames.has(name);
}
