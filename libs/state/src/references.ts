import type { Revision } from './objects.ts';

/** Something beside its service that a revision needs to be there. */
export interface Reference {
  readonly table: 'network' | 'secret' | 'config';
  readonly id: string;
  /** As the spec calls it. Networks are known to it by their ids alone. */
  readonly name: string;
}

/** Tells whether an object is there. */
interface Lookup {
  get(id: string): object | undefined;
}

/** The first that the revision names and the cluster does not have. */
export function missingReference(
  { spec }: Pick<Revision, 'spec'>,
  tables: { readonly [T in Reference['table']]: Lookup },
): Reference | undefined {
  const { Networks, ContainerSpec } = spec.TaskTemplate;
  for (const { Target: id } of Networks ?? [])
    if (tables.network.get(id) === undefined) return { table: 'network', id, name: id };
  for (const { SecretID: id, SecretName: name } of ContainerSpec.Secrets ?? [])
    if (tables.secret.get(id) === undefined) return { table: 'secret', id, name };
  for (const { ConfigID: id, ConfigName: name } of ContainerSpec.Configs ?? [])
    if (tables.config.get(id) === undefined) return { table: 'config', id, name };
  return undefined;
}
