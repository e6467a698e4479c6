/** A value of a YAML document. */
export type YamlValue = string | number | boolean | null | readonly YamlValue[] | YamlMap;
export interface YamlMap {
  readonly [key: string]: YamlValue | undefined;
}

export function isMap(value: YamlValue | undefined): value is YamlMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isList(value: YamlValue | undefined): value is readonly YamlValue[] {
  return Array.isArray(value);
}

/** A map, whatever else it may be: nothing is an empty one. */
export function mapOf(value: YamlValue | undefined): YamlMap {
  return isMap(value) ? value : {};
}

/** A list; a single value is one of itself, and nothing an empty one. */
export function listOf(value: YamlValue | undefined): readonly YamlValue[] {
  if (value === undefined || value === null) return [];
  return isList(value) ? value : [value];
}

/** As it is written. */
export function textOf(value: YamlValue | undefined): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** `KEY=value` lines or a map, as a map; a key without value has null. */
export function pairsOf(value: YamlValue | undefined, separator = '='): YamlMap {
  if (isMap(value)) return value;
  return Object.fromEntries(
    listOf(value).map((entry) => {
      const text = textOf(entry);
      const at = text.indexOf(separator);
      return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + separator.length)];
    }),
  );
}

/** Calls for every text inside, keys apart. */
export function mapTexts(
  value: YamlValue,
  change: (text: string, path: string) => string,
  path = '',
): YamlValue {
  if (typeof value === 'string') return change(value, path);
  const tag = tagOf(value);
  if (tag !== undefined) return tagged({ ...tag, value: mapTexts(tag.value, change, path) });
  if (isList(value)) return value.map((one, at) => mapTexts(one, change, `${path}[${at}]`));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      one === undefined ? undefined : mapTexts(one, change, path === '' ? key : `${path}.${key}`),
    ]),
  );
}

/** `!override` and `!reset` of the Compose Specification, 13-merge: instead of, not in addition to, an earlier file. */
export interface Tagged {
  readonly tag: 'reset' | 'override';
  /** What is to be there instead; of `reset`, nothing is. */
  readonly value: YamlValue;
}
const tags = new WeakMap<object, Tagged>();

/** A value that stands for one with a tag. */
export function tagged(tag: Tagged): YamlMap {
  const marker: YamlMap = {};
  tags.set(marker, tag);
  return marker;
}

export function tagOf(value: YamlValue | undefined): Tagged | undefined {
  return isMap(value) ? tags.get(value) : undefined;
}

/** Takes the tags off what no earlier file says anything of. */
export function withoutTags(value: YamlValue): YamlValue {
  if (isList(value)) return value.map(withoutTags);
  if (!isMap(value)) return value;
  const kept: Record<string, YamlValue> = {};
  for (const [key, one] of Object.entries(value)) {
    const tag = tagOf(one);
    if (one === undefined || tag?.tag === 'reset') continue;
    kept[key] = withoutTags(tag === undefined ? one : tag.value);
  }
  return kept;
}
