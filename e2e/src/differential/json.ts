/** What a request's body may hold; a member that is undefined is not sent. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

export type Path = readonly string[];

/** The paths of all that is in a value, itself left out. */
export function pathsOf(value: Json, at: Path = []): readonly Path[] {
  const own = at.length === 0 ? [] : [at];
  if (typeof value !== 'object' || value === null) return own;
  const inner = Object.entries<Json | undefined>(value).flatMap(([name, member]) =>
    member === undefined ? [] : pathsOf(member, [...at, name]),
  );
  return [...own, ...inner];
}

/** The value with another one at a path; undefined takes away what is there. */
export function replaced(value: Json, [name, ...rest]: Path, by: Json | undefined): Json {
  if (name === undefined) return by ?? null;
  if (Array.isArray(value)) {
    const items: readonly Json[] = value;
    const at = Number(name);
    if (rest.length === 0 && by === undefined) return items.toSpliced(at, 1);
    return items.with(at, replaced(items[at] ?? null, rest, by));
  }
  const members = typeof value === 'object' && value !== null ? value : {};
  const member: Json | undefined = Reflect.get(members, name);
  return { ...members, [name]: rest.length === 0 ? by : replaced(member ?? {}, rest, by) };
}

/** Each value that holds no other, by its path. */
export function leavesOf(value: unknown, at = ''): ReadonlyMap<string, string> {
  const isHolder = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  if (!isHolder) return new Map([[at, JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([name, member]) => [...leavesOf(member, `${at}.${name}`)]),
  );
}
