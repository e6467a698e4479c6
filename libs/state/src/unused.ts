import type { Config, Secret } from './objects.ts';
import type { StateView } from './view.ts';

/** Secrets and configs, oldest first, that nothing would miss. */
export interface UnusedDocuments {
  readonly secrets: readonly Secret[];
  readonly configs: readonly Config[];
}

/**
 * What no revision gives its tasks that is kept of any service: neither a task that runs yet nor a rollback needs it.
 * Swarm refuses the removal of what a current spec names, and no more.
 */
export function unusedDocuments({ revisions, secrets, configs }: StateView): UnusedDocuments {
  const used = { secret: new Set<string>(), config: new Set<string>() };
  for (const { spec } of revisions.values()) {
    const { Secrets = [], Configs = [] } = spec.TaskTemplate.ContainerSpec;
    for (const { SecretID } of Secrets) used.secret.add(SecretID);
    for (const { ConfigID } of Configs) used.config.add(ConfigID);
  }
  return {
    secrets: [...secrets.values()].filter(({ id }) => !used.secret.has(id)),
    configs: [...configs.values()].filter(({ id }) => !used.config.has(id)),
  };
}
