import {
  isList,
  isMap,
  listOf,
  mapOf,
  pairsOf,
  tagOf,
  textOf,
  type YamlMap,
  type YamlValue,
} from './yaml-value.ts';

/** In services, what is written as lines or as a map. */
const pairs: Readonly<Record<string, string>> = {
  environment: '=',
  labels: '=',
  sysctls: '=',
  annotations: '=',
};
/** In services, what a later file replaces. */
const replaced = new Set(['command', 'entrypoint', 'test']);
/** Lists of which each entry is about a place; a later entry about the same place replaces it. */
const places: Readonly<Record<string, (entry: YamlValue) => string>> = {
  volumes: (entry) =>
    isMap(entry) ? textOf(entry['target']) : (textOf(entry).split(':')[1] ?? textOf(entry)),
  devices: (entry) =>
    isMap(entry) ? textOf(entry['target']) : (textOf(entry).split(':')[1] ?? textOf(entry)),
  secrets: (entry) => (isMap(entry) ? textOf(entry['target'] ?? entry['source']) : textOf(entry)),
  configs: (entry) => (isMap(entry) ? textOf(entry['target'] ?? entry['source']) : textOf(entry)),
  ports: (entry) =>
    isMap(entry)
      ? ['host_ip', 'target', 'published', 'protocol'].map((key) => textOf(entry[key])).join(' ')
      : textOf(entry),
};

/**
 * One file over another: maps are joined, lists added to, what is about the same place replaced, and all else
 * overwritten. Source: the Compose Specification, 13-merge.
 */
export function mergeFiles(base: YamlMap, over: YamlMap): YamlMap {
  return joined(base, over, (key, from, to) =>
    key === 'services' ? joined(mapOf(from), mapOf(to), mergeServices) : merged(key, from, to),
  );
}

function mergeServices(_name: string, from: YamlValue | undefined, to: YamlValue | undefined) {
  return mergeService(mapOf(from), mapOf(to));
}

/** One definition of a service over another. */
export function mergeService(base: YamlMap, over: YamlMap): YamlMap {
  return joined(base, over, (key, from, to) => {
    if (key === 'depends_on') return joined(conditions(from), conditions(to), merged);
    if (key === 'networks') return joined(namesOf(from), namesOf(to), merged);
    const separator = pairs[key];
    if (separator !== undefined) return { ...pairsOf(from, separator), ...pairsOf(to, separator) };
    return merged(key, from, to);
  });
}

/** `depends_on` in its long form. */
export function conditions(value: YamlValue | undefined): YamlMap {
  if (isMap(value)) return value;
  return Object.fromEntries(
    listOf(value).map((name) => [textOf(name), { condition: 'service_started' }]),
  );
}

/** Names alone, or with what is said of each, as a map. */
export function namesOf(value: YamlValue | undefined): YamlMap {
  if (isMap(value)) return value;
  return Object.fromEntries(listOf(value).map((name) => [textOf(name), null]));
}

function joined(
  base: YamlMap,
  over: YamlMap,
  both: (
    key: string,
    from: YamlValue | undefined,
    to: YamlValue | undefined,
  ) => YamlValue | undefined,
): YamlMap {
  const all: Record<string, YamlValue | undefined> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const tag = tagOf(value);
    if (tag?.tag === 'reset') delete all[key];
    else if (tag !== undefined) all[key] = tag.value;
    else if (value === null && base[key] !== undefined) all[key] = base[key];
    else
      all[key] =
        base[key] === undefined || base[key] === null ? value : both(key, base[key], value);
  }
  return all;
}

function merged(
  key: string,
  from: YamlValue | undefined,
  to: YamlValue | undefined,
): YamlValue | undefined {
  if (replaced.has(key)) return to;
  // Also where they are not those of a service, such as `deploy.labels`.
  const separator = pairs[key];
  if (separator !== undefined && (isList(from) || isList(to)))
    return { ...pairsOf(from, separator), ...pairsOf(to, separator) };
  if (isMap(from) && isMap(to)) return joined(from, to, merged);
  const placeOf = places[key];
  if (placeOf !== undefined && (isList(from) || isList(to))) {
    const entries = [...listOf(from), ...listOf(to)];
    return [...new Map(entries.map((entry) => [placeOf(entry), entry])).values()];
  }
  if (isList(from) && isList(to)) return [...from, ...to];
  return to;
}
