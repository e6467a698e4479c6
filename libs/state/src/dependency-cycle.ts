import { dependenciesOf } from './labels/dependencies.ts';
import type { Service } from './objects.ts';
import { currentOf, namesMeant } from './policy.ts';
import type { Labels } from './spec.ts';
import { foldCase } from './tables/domain.ts';
import type { StateView } from './view.ts';

/** Services looked at in one search for a cycle. */
export const cycleSearchMax = 1_000;

type Services = Pick<StateView, 'services' | 'revisions'>;

/** A service as it is, or as it is about to be. */
interface Member {
  readonly name: string;
  readonly labels: Labels;
}

/**
 * A way along the dependencies of `start` that leads back to it, by names: `web`, `db`, `web`. Undefined
 * when there is none, or when it is farther than a bounded search goes. The way leads only through
 * services that `mayPass` allows.
 */
export function dependencyCycle(
  view: Services,
  start: Member,
  mayPass: (service: Service) => boolean = () => true,
): readonly string[] | undefined {
  const home = foldCase(start.name);
  const seen = new Set<string>();
  const open: { readonly member: Member; readonly way: readonly string[] }[] = [
    { member: start, way: [start.name] },
  ];
  for (let at = 0; at < open.length && at < cycleSearchMax; at += 1) {
    const { member, way } = open[at] ?? { member: start, way: [] };
    for (const { name } of dependenciesOf(member.labels).all) {
      const next = resolve(view, member, name, home);
      if (next === 'start') return [...way, start.name];
      if (next === undefined || seen.has(next.id) || !mayPass(next)) continue;
      seen.add(next.id);
      open.push({ member: memberOf(view, next), way: [...way, next.name] });
    }
  }
  return undefined;
}

/** What is wrong with a service that is to be created or updated to this; undefined when nothing is. */
export function checkDependencyCycle(view: Services, service: Member): string | undefined {
  const cycle = dependencyCycle(view, service);
  return cycle === undefined
    ? undefined
    : `label shoal.depends-on of service ${service.name} closes a circle in which nothing could start: ${cycle.join(' → ')}`;
}

/** The start may not be in the view yet, or with other labels; `home` is its name. */
function resolve(
  view: Services,
  { labels }: Member,
  name: string,
  home: string,
): Service | 'start' | undefined {
  for (const fullName of namesMeant(labels, name)) {
    if (foldCase(fullName) === home) return 'start';
    const service = view.services.byName(fullName);
    if (service !== undefined) return service;
  }
  return undefined;
}

function memberOf(view: Services, service: Service): Member {
  return { name: service.name, labels: currentOf(view, service)?.spec.Labels ?? {} };
}
