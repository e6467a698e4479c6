import { labelFault } from './labels/fault.ts';
import { flagOf } from './labels/placement.ts';
import type { Config, Secret } from './objects.ts';
import type { Labels } from './spec.ts';
import { unusedDocuments } from './unused.ts';
import type { StateView } from './view.ts';

/** Labels of secrets and configs. */
export const documentLabels = {
  /** `true`: content may change. Each content is an object of its own, and the newest has the name. */
  versioned: 'shoal.versioned',
  /** On what an update has replaced: the name that it had. */
  versionOf: 'shoal.version-of',
} as const;

/** Docker's limit, characters. */
const nameMax = 64;

export function isVersioned(labels: Labels): boolean {
  return flagOf(labels[documentLabels.versioned]) === true;
}

/** What is wrong with the labels of a secret or config, in one sentence; undefined when nothing is. */
export function checkDocumentLabels(labels: Labels): string | undefined {
  const text = labels[documentLabels.versioned];
  return text === undefined || flagOf(text) !== undefined
    ? undefined
    : labelFault(documentLabels.versioned, text, 'true or false');
}

/** `page.2` for the second content of `page` that is replaced: one more than the highest number that is taken. */
export function versionName(name: string, taken: Iterable<string>): string {
  let highest = 0;
  for (const other of taken) {
    const at = other.lastIndexOf('.');
    const number = other.slice(at + 1);
    if (/^[1-9]\d{0,8}$/.test(number) && other === numbered(name, number))
      highest = Math.max(highest, Number(number));
  }
  return numbered(name, String(highest + 1));
}

function numbered(name: string, number: string): string {
  return `${name.slice(0, nameMax - 1 - number.length)}.${number}`;
}

/** Contents that once had the name, and that nothing would miss. */
export function unusedVersions(
  view: StateView,
  kind: 'secret' | 'config',
  name: string,
): readonly (Secret | Config)[] {
  const { secrets, configs } = unusedDocuments(view);
  const all: readonly (Secret | Config)[] = kind === 'secret' ? secrets : configs;
  return all.filter(({ spec }) => spec.Labels[documentLabels.versionOf] === name);
}
