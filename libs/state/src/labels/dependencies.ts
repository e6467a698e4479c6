import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';
import { flagOf } from './placement.ts';

/** Labels of services that wait for others before their tasks start. */
export const dependencyLabels = {
  dependsOn: 'shoal.depends-on',
  recheck: 'shoal.depends-on.recheck',
} as const;

/** Services that one may wait for. */
export const dependenciesMax = 32;

/** What must be true of a dependency, in the words of the compose file (`service_started`, …). */
export type DependencyCondition = 'started' | 'healthy' | 'completed';

export interface Dependency {
  /** As written. */
  readonly name: string;
  readonly condition: DependencyCondition;
}

export interface Dependencies {
  readonly all: readonly Dependency[];
  /** Asked for every task, not only for the first ones of the service. */
  readonly recheck: boolean;
}

const none: Dependencies = { all: [], recheck: false };
const form = /^([a-zA-Z0-9][a-zA-Z0-9_.-]*)(?::(started|healthy|completed))?$/;
const read = new WeakMap<Labels, Dependencies>();

/** What the labels say, read once for each set of labels; malformed ones say nothing. */
export function dependenciesOf(labels: Labels): Dependencies {
  let dependencies = read.get(labels);
  if (dependencies === undefined) {
    const all = parse(labels[dependencyLabels.dependsOn]) ?? [];
    const recheck = flagOf(labels[dependencyLabels.recheck]) ?? false;
    dependencies = all.length === 0 ? none : { all, recheck };
    read.set(labels, dependencies);
  }
  return dependencies;
}

/** What is wrong with the labels, in one sentence; undefined when nothing is. */
export function checkDependencyLabels(labels: Labels): string | undefined {
  const { dependsOn, recheck } = dependencyLabels;
  const text = labels[dependsOn];
  if (text !== undefined && parse(text) === undefined)
    return labelFault(
      dependsOn,
      text,
      `up to ${dependenciesMax} service names separated by commas, each with :started, :healthy or :completed if need be`,
    );
  const flag = labels[recheck];
  return flag === undefined || flagOf(flag) !== undefined
    ? undefined
    : labelFault(recheck, flag, 'true or false');
}

/** Undefined when the text is absent or malformed. A name that comes twice counts once, as first written. */
function parse(text: string | undefined): readonly Dependency[] | undefined {
  if (text === undefined) return undefined;
  const parts = text.split(',', dependenciesMax + 1);
  if (parts.length > dependenciesMax) return undefined;
  const found = new Map<string, Dependency>();
  for (const part of parts) {
    const [, name, condition = 'started'] = form.exec(part.trim()) ?? [];
    if (name === undefined) return undefined;
    if (!found.has(name)) found.set(name, { name, condition: condition as DependencyCondition });
  }
  return [...found.values()];
}
