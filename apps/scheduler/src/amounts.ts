import type { Resources } from '@shoal/state';

/** Amounts of everything a node can run out of. */
export interface Amounts {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** Kind of generic resource → amount; a set of named ones counts its names. */
  readonly generic: ReadonlyMap<string, number>;
}

export function amountsOf(resources: Resources | undefined): Amounts {
  const generic = new Map<string, number>();
  const add = (kind: string, amount: number): void => {
    generic.set(kind, (generic.get(kind) ?? 0) + amount);
  };
  for (const resource of resources?.GenericResources ?? []) {
    if (resource.NamedResourceSpec !== undefined) add(resource.NamedResourceSpec.Kind, 1);
    const discrete = resource.DiscreteResourceSpec;
    if (discrete !== undefined) add(discrete.Kind, discrete.Value);
  }
  return {
    nanoCpus: resources?.NanoCPUs ?? 0,
    memoryBytes: resources?.MemoryBytes ?? 0,
    generic,
  };
}

export function hasAmounts(amounts: Amounts): boolean {
  return amounts.nanoCpus > 0 || amounts.memoryBytes > 0 || amounts.generic.size > 0;
}
