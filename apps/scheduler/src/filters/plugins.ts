import type { NodeDescription, TaskTemplate } from '@shoal/state';
import { type Check, countOfNodes, type Filter, type Needs } from './filter.ts';

interface Plugin {
  readonly Type: string;
  readonly Name: string;
}

function volumeDrivers(template: TaskTemplate): string[] {
  const drivers: string[] = [];
  for (const mount of template.ContainerSpec.Mounts ?? []) {
    if (mount.Type !== 'volume') continue;
    const config = mount.VolumeOptions?.['DriverConfig'];
    if (typeof config !== 'object' || config === null || !('Name' in config)) continue;
    const name = config.Name;
    if (typeof name === 'string' && name !== '' && name !== 'local') drivers.push(name);
  }
  return drivers;
}

const none: readonly Plugin[] = [];

function wanted({ view, revision, networks }: Needs): readonly Plugin[] {
  const template = revision.spec.TaskTemplate;
  const log = (template.LogDriver ?? view.cluster?.spec.TaskDefaults.LogDriver)?.Name ?? '';
  const { Mounts } = template.ContainerSpec;
  if (Mounts === undefined && networks.length === 0 && log === '') return none;
  return [
    ...volumeDrivers(template).map((Name) => ({ Type: 'Volume', Name })),
    ...networks
      .filter(({ spec }) => !spec.Predefined)
      .map(({ spec }) => ({ Type: 'Network', Name: spec.Driver })),
    ...(log === '' || log === 'none' ? [] : [{ Type: 'Log', Name: log }]),
  ];
}

function has({ Engine }: NodeDescription, { Type, Name }: Plugin): boolean {
  // Engines before 1.13 do not say which log drivers they have.
  if (Type === 'Log' && !Engine.Plugins.some((plugin) => plugin.Type === 'Log')) return true;
  return Engine.Plugins.some(
    (plugin) => plugin.Type === Type && (plugin.Name === Name || plugin.Name === `${Name}:latest`),
  );
}

function words({ Type, Name }: Plugin): string {
  return `the ${Type.toLowerCase()} driver ${Name}`;
}

function hasAll(plugins: readonly Plugin[]): Check {
  return ({ node: { description } }) =>
    description === undefined || plugins.every((plugin) => has(description, plugin));
}

/** A node's engine must have the volume, network and log drivers that the task uses. */
export const pluginsFilter: Filter = {
  prepare(needs) {
    const plugins = wanted(needs);
    return plugins.length === 0 ? undefined : hasAll(plugins);
  },
  explain: (nodes) => `missing plugin on ${countOfNodes(nodes)}`,
  lack(needs, { node: { description } }) {
    const missing = wanted(needs).filter(
      (plugin) => description !== undefined && !has(description, plugin),
    );
    return { distance: missing.length, words: `lacks ${missing.map(words).join(' and ')}` };
  },
  terrain: (needs) =>
    wanted(needs)
      .map(({ Type, Name }) => `${Type} ${Name}`)
      .join('\n'),
};
