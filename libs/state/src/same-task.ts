import type { Revision } from './objects.ts';

/**
 * True when a task made from `a` would be identical to one made from `b`: equal task template and
 * endpoint spec, whatever the order of keys; absent members equal undefined ones. Credentials for
 * pulling are ignored. Scale, labels and update settings of the service do not concern a task.
 */
export function sameTask(a: Revision, b: Revision): boolean {
  return a === b || taskKey(a) === taskKey(b);
}

const keys = new WeakMap<Revision, string>();

/** A text that is equal for equal tasks; computed once for each revision. */
function taskKey(revision: Revision): string {
  let key = keys.get(revision);
  if (key === undefined) {
    const { TaskTemplate, EndpointSpec } = revision.spec;
    key = canonicalJson([TaskTemplate, EndpointSpec]);
    keys.set(revision, key);
  }
  return key;
}

/** JSON with sorted keys. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(byKey))
      : inner,
  );
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
