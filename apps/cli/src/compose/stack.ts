import type { Lookup } from './interpolate.ts';
import { ComposeError, type Project } from './load.ts';
import { conditions } from './merge.ts';
import { flagOf, translateService, withoutNothing } from './service.ts';
import {
  isMap,
  listOf,
  mapOf,
  mapTexts,
  pairsOf,
  textOf,
  type YamlMap,
  type YamlValue,
} from './yaml-value.ts';

/** The version of the format that clients of ten years read. */
const version = '3.9';

/** What `docker stack deploy` is given, and what it cannot be told. */
export interface Stack {
  readonly content: YamlMap;
  /** One sentence each. */
  readonly notes: readonly string[];
  /** Secrets and configs whose text is in the file or in a variable: by the path at which it is to be found. */
  readonly inline: ReadonlyMap<string, string>;
}

export interface StackContext {
  /** The text of an `env_file`; undefined where there is none. */
  readonly envFile: (path: string) => string | undefined;
  /** Where the text of a secret or config will be. */
  readonly placeOf: (kind: 'secret' | 'config', name: string) => string;
}

/** Says in version 3.9 what a file of today's Compose Specification says. @throws ComposeError */
export function translateStack({ content, lookup }: Project, context: StackContext): Stack {
  const notes: string[] = [];
  const inline = new Map<string, string>();
  const given = mapOf(content['services']);
  const names = new Set(Object.keys(given));
  if (names.size === 0)
    throw new ComposeError(
      'there is no service to deploy: perhaps all are in profiles that were not asked for',
    );
  const awaited = new Set(
    Object.values(given).flatMap((service) =>
      Object.entries(conditions(mapOf(service)['depends_on'])).flatMap(([name, how]) =>
        mapOf(how)['condition'] === 'service_completed_successfully' ? [name] : [],
      ),
    ),
  );
  const predefined = new Set<string>();
  const services: Record<string, YamlMap> = {};
  for (const name of names) {
    const translated = translateService(mapOf(given[name]), {
      name,
      names,
      isMeantToEnd: awaited.has(name),
      lookup,
      envFile: context.envFile,
    });
    services[name] = translated.service;
    notes.push(...translated.notes);
    for (const network of translated.predefined) predefined.add(network);
  }
  for (const key of Object.keys(content))
    if (['models', 'providers'].includes(key)) notes.push(`${key} are left out: a swarm has none`);
  const stored = (kind: 'secret' | 'config') =>
    all(content[`${kind}s`], (name, value) =>
      storedOf(kind, name, value, { ...context, lookup, inline }),
    );
  const translated = withoutNothing({
    version,
    services,
    networks: {
      ...all(content['networks'], (name, value) => networkOf(name, value, notes)),
      ...Object.fromEntries([...predefined].map((name) => [name, { external: true, name }])),
    },
    volumes: all(content['volumes'], (name, value) => volumeOf(name, value)),
    secrets: stored('secret'),
    configs: stored('config'),
  });
  // The client fills in variables once more: what is a dollar sign by now has to stay one.
  const escaped = mapTexts(translated, (text) => text.replaceAll('$', '$$$$'));
  return { content: mapOf(escaped), notes, inline };
}

function all(
  value: YamlValue | undefined,
  translate: (name: string, value: YamlMap) => YamlMap,
): YamlMap {
  return Object.fromEntries(
    Object.entries(mapOf(value)).map(([name, one]) => [name, translate(name, mapOf(one))]),
  );
}

/** `external` is a flag; that it was a map with the name is long ago. */
function externalOf(value: YamlMap, at: string): YamlMap {
  const { external, name } = value;
  if (isMap(external)) return withoutNothing({ external: true, name: external['name'] ?? name });
  return withoutNothing({
    external:
      external === undefined || external === null ? undefined : flagOf(external, `${at}.external`),
    name,
  });
}

function labelsOf(value: YamlValue | undefined): YamlMap | undefined {
  if (value === undefined || value === null) return undefined;
  return Object.fromEntries(Object.entries(pairsOf(value)).map(([key, one]) => [key, textOf(one)]));
}

function networkOf(name: string, value: YamlMap, notes: string[]): YamlMap {
  const at = `network ${name}`;
  const {
    driver,
    driver_opts: options,
    ipam,
    internal,
    attachable,
    labels,
    external: _,
    name: __,
    ...rest
  } = value;
  const shared = externalOf(value, at);
  if (shared['external'] === true) return shared;
  for (const key of Object.keys(rest))
    if (!key.startsWith('x-')) notes.push(`${at}: ${key} is left out: stack files cannot say it`);
  // One host's networks are of no use to tasks on several.
  const isLocal = ['bridge', 'default'].includes(textOf(driver));
  const { driver: ipamDriver, config } = mapOf(ipam);
  const subnets = listOf(config).flatMap((one) => {
    const { subnet, ...more } = mapOf(one);
    if (Object.keys(more).length > 0)
      notes.push(
        `${at}: of ipam, ${Object.keys(more).join(', ')} is left out: stack files cannot say it`,
      );
    return subnet === undefined ? [] : [{ subnet }];
  });
  return withoutNothing({
    ...shared,
    driver: isLocal ? undefined : driver,
    driver_opts: isLocal ? undefined : labelsOf(options),
    ipam:
      subnets.length === 0 && ipamDriver === undefined
        ? undefined
        : withoutNothing({
            driver: ipamDriver,
            config: subnets.length === 0 ? undefined : subnets,
          }),
    internal: internal === undefined ? undefined : flagOf(internal, `${at}.internal`),
    attachable: attachable === undefined ? undefined : flagOf(attachable, `${at}.attachable`),
    labels: labelsOf(labels),
  });
}

function volumeOf(name: string, value: YamlMap): YamlMap {
  const shared = externalOf(value, `volume ${name}`);
  if (shared['external'] === true) return shared;
  const { driver, driver_opts: options, labels } = value;
  return withoutNothing({
    ...shared,
    driver,
    driver_opts: labelsOf(options),
    labels: labelsOf(labels),
  });
}

function storedOf(
  kind: 'secret' | 'config',
  name: string,
  value: YamlMap,
  {
    lookup,
    inline,
    placeOf,
  }: Pick<StackContext, 'placeOf'> & {
    readonly lookup: Lookup;
    readonly inline: Map<string, string>;
  },
): YamlMap {
  const at = `${kind} ${name}`;
  const {
    file,
    content,
    environment,
    labels,
    driver,
    driver_opts: options,
    template_driver: template,
  } = value;
  const shared = externalOf(value, at);
  if (shared['external'] === true) return shared;
  const more = {
    labels: labelsOf(labels),
    driver,
    driver_opts: options,
    template_driver: template,
  };
  if (file !== undefined) return withoutNothing({ ...shared, ...more, file });
  const variable = textOf(environment);
  const text = content === undefined ? lookup(variable) : textOf(content);
  if (text === undefined)
    throw new ComposeError(
      variable === ''
        ? `${at} has no file, no content and no environment`
        : `${at} takes its value from variable ${variable}, which is not set`,
    );
  const path = placeOf(kind, name);
  inline.set(path, text);
  return withoutNothing({ ...shared, ...more, file: path });
}
