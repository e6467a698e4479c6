import { dirname, isAbsolute, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { readEnvFile } from './env-file.ts';
import { interpolate, type Lookup } from './interpolate.ts';
import { mergeFiles, mergeService } from './merge.ts';
import {
  isMap,
  listOf,
  mapOf,
  mapTexts,
  tagged,
  textOf,
  withoutTags,
  type YamlMap,
  type YamlValue,
} from './yaml-value.ts';

/** What somebody asks for. */
export interface ComposeRequest {
  /** The first decides where relative paths begin. */
  readonly files: readonly string[];
  /** Instead of `.env` beside the first file. */
  readonly envFiles: readonly string[];
  /** Services of these are there too. */
  readonly profiles: readonly string[];
}

/** What loading needs of the computer. */
export interface Surroundings {
  /** Undefined where there is no such file. */
  readonly read: (path: string) => Promise<string | undefined>;
  readonly environment: Lookup;
  readonly home: string;
}

/** One application: all files in one, variables filled in, relative paths absolute, what is extended written out. */
export interface Project {
  readonly content: YamlMap;
  /** Variables that are not set. */
  readonly missing: readonly string[];
  readonly lookup: Lookup;
}

/** One sentence for a person. */
export class ComposeError extends Error {
  override readonly name = 'ComposeError';
}

/** How deep files include, and services extend, each other. */
const depthMax = 32;

/** Reads the files of an application as the Compose Specification says. @throws ComposeError */
export async function loadProject(
  { files, envFiles, profiles }: ComposeRequest,
  surroundings: Surroundings,
): Promise<Project> {
  const [first = 'compose.yaml'] = files;
  const directory = dirname(resolve(first));
  const given = envFiles.length > 0;
  const paths = given ? envFiles.map((path) => resolve(path)) : [join(directory, '.env')];
  const lookup = await withEnvFiles(paths, given, surroundings);
  const missing = new Set<string>();
  const loader = new Loader(surroundings, missing);
  let content: YamlMap = {};
  for (const file of files)
    content = mergeFiles(content, await loader.file(resolve(file), directory, lookup, 0));
  content = mapOf(withoutTags(content));
  const named = [...profiles, ...(lookup('COMPOSE_PROFILES') ?? '').split(',')].filter(Boolean);
  const services = await loader.extended(mapOf(content['services']), lookup);
  return {
    content: { ...content, services: wanted(services, new Set(named)) },
    missing: [...missing],
    lookup,
  };
}

/** The environment, and behind it what files say; later files count more. */
async function withEnvFiles(
  paths: readonly string[],
  mustBe: boolean,
  { read, environment }: Pick<Surroundings, 'read' | 'environment'>,
): Promise<Lookup> {
  const variables = new Map<string, string>();
  for (const path of paths) {
    const text = await read(path);
    if (text === undefined) {
      if (mustBe) throw new ComposeError(`there is no file ${path}`);
      continue;
    }
    const found = readEnvFile(text, (name) => environment(name) ?? variables.get(name));
    if (found.kind === 'refused') throw new ComposeError(`${path}: ${found.message}`);
    for (const [name, value] of found.variables) variables.set(name, value);
  }
  return (name) => environment(name) ?? variables.get(name);
}

function wanted(services: YamlMap, profiles: ReadonlySet<string>): YamlMap {
  return Object.fromEntries(
    Object.entries(services).filter(([, service]) => {
      const own = listOf(mapOf(service)['profiles']).map(textOf);
      return own.length === 0 || profiles.has('*') || own.some((one) => profiles.has(one));
    }),
  );
}

class Loader {
  readonly #surroundings: Surroundings;
  readonly #missing: Set<string>;

  constructor(surroundings: Surroundings, missing: Set<string>) {
    this.#surroundings = surroundings;
    this.#missing = missing;
  }

  /** One file with all that it includes. Relative paths in it begin in `directory`. */
  async file(path: string, directory: string, lookup: Lookup, depth: number): Promise<YamlMap> {
    if (depth > depthMax) throw new ComposeError(`${path} includes itself, by itself or by others`);
    const own = absolutePaths(await this.#parsed(path, lookup), directory, this.#surroundings.home);
    const { include, ...rest } = own;
    let all: YamlMap = {};
    for (const entry of listOf(include)) {
      const asked = isMap(entry) ? entry : { path: entry };
      const paths = listOf(asked['path']).map((one) => resolve(directory, textOf(one)));
      const [main] = paths;
      if (main === undefined) throw new ComposeError(`${path}: include names no path`);
      const place =
        asked['project_directory'] === undefined
          ? dirname(main)
          : resolve(directory, textOf(asked['project_directory']));
      const envFiles = listOf(asked['env_file']).map((one) => resolve(directory, textOf(one)));
      const mustBe = envFiles.length > 0;
      const behind = await withEnvFiles(mustBe ? envFiles : [join(place, '.env')], mustBe, {
        ...this.#surroundings,
        environment: lookup,
      });
      for (const one of paths)
        all = mergeFiles(all, await this.file(one, place, behind, depth + 1));
    }
    return mergeFiles(all, rest);
  }

  /** Services with what they extend. */
  async extended(services: YamlMap, lookup: Lookup): Promise<YamlMap> {
    const whole: Record<string, YamlMap> = {};
    for (const name of Object.keys(services))
      whole[name] = await this.#extended(name, services, lookup, []);
    return whole;
  }

  async #extended(
    name: string,
    services: YamlMap,
    lookup: Lookup,
    by: readonly string[],
  ): Promise<YamlMap> {
    const found = services[name];
    if (!isMap(found)) {
      const whom = by.at(-1);
      throw new ComposeError(
        found === undefined && whom !== undefined
          ? `service ${whom} extends ${name}, which is not there`
          : `service ${name} is no map of settings`,
      );
    }
    const { extends: extending, ...own } = found;
    if (extending === undefined || extending === null) return own;
    if (by.length > depthMax)
      throw new ComposeError(`service ${name} extends itself, by itself or by others`);
    const { service, file } = isMap(extending)
      ? extending
      : { service: extending, file: undefined };
    let others = services;
    if (file !== undefined) {
      const path = textOf(file);
      others = mapOf((await this.file(path, dirname(path), lookup, 0))['services']);
    }
    const base = await this.#extended(textOf(service), others, lookup, [...by, name]);
    return mergeService(base, own);
  }

  async #parsed(path: string, lookup: Lookup): Promise<YamlMap> {
    const text = await this.#surroundings.read(path);
    if (text === undefined) throw new ComposeError(`there is no file ${path}`);
    const document = parseDocument(text, {
      merge: true,
      strict: false,
      customTags: (tags) => [octal, ...tags, ...ownTags],
    });
    const [problem] = document.errors;
    if (problem !== undefined) throw new ComposeError(`${path}: ${problem.message}`);
    const value: YamlValue = document.toJS() ?? {};
    if (!isMap(value))
      throw new ComposeError(`${path} is no map of services, networks and volumes`);
    const filled = mapTexts(value, (written, at) => {
      const outcome = interpolate(written, lookup);
      if (outcome.kind === 'refused') throw new ComposeError(`${path}: ${at}: ${outcome.message}`);
      for (const one of outcome.missing) this.#missing.add(one);
      return outcome.text;
    });
    return mapOf(filled);
  }
}

/** Modes of files are written as ever: 0440. */
const octal = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^0[0-7]+$/,
  resolve: (text: string) => Number.parseInt(text, 8),
} as const;

/** `!reset` and `!override`, on whatever they stand. */
const ownTags = (['reset', 'override'] as const).flatMap((tag) => {
  const resolveNode = (node: { toJSON(): unknown }): YamlMap =>
    tagged({ tag, value: node.toJSON() as YamlValue });
  return [
    { tag: `!${tag}`, resolve: (text: string) => tagged({ tag, value: text }) },
    { tag: `!${tag}`, collection: 'map' as const, resolve: resolveNode },
    { tag: `!${tag}`, collection: 'seq' as const, resolve: resolveNode },
  ];
});

/** Paths that begin where the file is, wherever who deploys it stands. */
function absolutePaths(content: YamlMap, directory: string, home: string): YamlMap {
  const absolute = (value: YamlValue | undefined): YamlValue => {
    const path = textOf(value);
    if (path === '~' || path.startsWith('~/')) return join(home, path.slice(1));
    return isAbsolute(path) ? path : join(directory, path);
  };
  const inFile = (value: YamlValue | undefined): YamlValue | undefined =>
    isMap(value) && value['file'] !== undefined
      ? { ...value, file: absolute(value['file']) }
      : value;
  const ofService = (value: YamlValue | undefined): YamlValue | undefined => {
    if (!isMap(value)) return value;
    const { volumes, env_file, extends: extending } = value;
    return {
      ...value,
      ...(extending === undefined ? {} : { extends: inFile(extending) }),
      ...(volumes === undefined
        ? {}
        : { volumes: mapEach(volumes, (one) => volumePath(one, absolute)) }),
      ...(env_file === undefined
        ? {}
        : {
            env_file: listOf(env_file).map((one) =>
              isMap(one) ? { ...one, path: absolute(one['path']) } : absolute(one),
            ),
          }),
    };
  };
  const each = (key: string, change: (value: YamlValue | undefined) => YamlValue | undefined) =>
    isMap(content[key])
      ? {
          [key]: Object.fromEntries(
            Object.entries(content[key]).map(([name, one]) => [name, change(one)]),
          ),
        }
      : {};
  return {
    ...content,
    ...each('services', ofService),
    ...each('secrets', inFile),
    ...each('configs', inFile),
  };
}

function mapEach(value: YamlValue, change: (one: YamlValue) => YamlValue): YamlValue {
  return Array.isArray(value) ? value.map(change) : value;
}

/** Of what is mounted, only paths of the host; a name is one of a volume. */
function volumePath(entry: YamlValue, absolute: (value: YamlValue) => YamlValue): YamlValue {
  if (isMap(entry)) {
    const isBind = textOf(entry['type']) === 'bind' && entry['source'] !== undefined;
    return isBind ? { ...entry, source: absolute(entry['source'] ?? '') } : entry;
  }
  const [source = '', ...rest] = textOf(entry).split(':');
  return rest.length > 0 && /^[.~]/.test(source) ? [absolute(source), ...rest].join(':') : entry;
}
