import type { Config, Secret } from '@shoal/state';
import { type Filters, hasStoredLabels } from '../filters.ts';
import { metaShape } from '../shapes/meta.ts';

/** A secret as clients see it: never with its content. */
export function secretShape({ id, meta, spec }: Secret) {
  return { ...metaShape(id, meta), Spec: specShape(spec) };
}

export function configShape({ id, meta, spec, data }: Config) {
  // The engine's order: clients show what they get as it is.
  const { Name, Labels, Templating } = specShape(spec);
  return { ...metaShape(id, meta), Spec: { Name, Labels, Data: data, Templating } };
}

function specShape({ Name, Labels, Templating }: Secret['spec']) {
  return { Name, Labels, Templating };
}

/** Names, starts of names and starts of ids are alternatives to each other; labels must all hold. */
export function documentFilter(filters: Filters): (document: Secret | Config) => boolean {
  const names = filters.get('names') ?? [];
  const prefixes = filters.get('name') ?? [];
  const ids = filters.get('id') ?? [];
  const any = names.length + prefixes.length + ids.length === 0;
  return ({ id, spec }) =>
    (any ||
      names.includes(spec.Name) ||
      prefixes.some((prefix) => spec.Name.startsWith(prefix)) ||
      ids.some((prefix) => id.startsWith(prefix))) &&
    hasStoredLabels(filters, 'label', spec.Labels);
}
