/** A value as JSON has it. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** One place in which two specs differ. */
export interface Difference {
  /** Such as `TaskTemplate.ContainerSpec.Image`, or `EndpointSpec.Ports[0]`. */
  readonly path: string;
  /** Absent where there was nothing. */
  readonly from?: Json | undefined;
  readonly to?: Json | undefined;
}

/** Where two values differ, as deep as both are of one kind. What is absent, null or empty is the same. */
export function differences(
  from: Json | undefined,
  to: Json | undefined,
  path = '',
): readonly Difference[] {
  if (isNothing(from) && isNothing(to)) return [];
  const keys = keysOf(from, to);
  if (keys !== undefined)
    return keys.flatMap(([key, step]) =>
      differences(inside(from, key), inside(to, key), `${path}${step}`),
    );
  if (from === to) return [];
  return [{ path: path.replace(/^\./, ''), from: from ?? undefined, to: to ?? undefined }];
}

function isNothing(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === '') return true;
  return typeof value === 'object' && Object.values(value).every(isNothing);
}

/** What is in either, and how a path goes on there; undefined where they are not of one kind. */
function keysOf(
  from: Json | undefined,
  to: Json | undefined,
): readonly (readonly [string, string])[] | undefined {
  const values = [from, to].filter((value) => value !== undefined && value !== null);
  if (!values.every((value) => typeof value === 'object')) return undefined;
  const lists = values.filter((value) => Array.isArray(value)).length;
  if (lists !== 0 && lists !== values.length) return undefined;
  const keys = new Set(values.flatMap((value) => Object.keys(value)));
  return [...keys].map((key) => [key, lists === 0 ? `.${key}` : `[${key}]`]);
}

function inside(value: Json | undefined, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as { readonly [key: string]: Json })[key];
}
