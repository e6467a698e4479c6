import { readEnvFile } from './env-file.ts';
import type { Lookup } from './interpolate.ts';
import { ComposeError } from './load.ts';
import { conditions, namesOf } from './merge.ts';
import {
  isList,
  isMap,
  listOf,
  mapOf,
  pairsOf,
  textOf,
  type YamlMap,
  type YamlValue,
} from './yaml-value.ts';

/** A service as `docker stack deploy` takes it, and what cannot be said there. */
export interface TranslatedService {
  readonly service: YamlMap;
  /** Predefined networks that it uses: `host`, `none`. */
  readonly predefined: readonly string[];
  readonly notes: readonly string[];
}

export interface ServiceContext {
  readonly name: string;
  /** Services that are there. */
  readonly names: ReadonlySet<string>;
  /** Whether another one waits until it has completed: it is meant to end. */
  readonly isMeantToEnd: boolean;
  readonly lookup: Lookup;
  /** The text of an `env_file`; undefined where there is none. */
  readonly envFile: (path: string) => string | undefined;
}

/** Same name, same meaning, same form. */
const same = [
  ...['cap_add', 'cap_drop', 'credential_spec', 'dns', 'dns_search', 'domainname', 'hostname'],
  ...['image', 'isolation', 'stop_grace_period', 'stop_signal', 'tmpfs', 'user', 'working_dir'],
] as const;
const flags = ['init', 'read_only', 'stdin_open', 'tty'] as const;
/** They say how to work on an application, or what is the same in a swarm without them. */
const silent = new Set([
  ...['attach', 'build', 'develop', 'expose', 'extends', 'profiles', 'pull_policy', 'scale'],
]);
/** Labels of the container that say what `docker run` has flags for. */
const runFlags: Readonly<Record<string, string>> = {
  shm_size: 'shoal.shm-size',
  ipc: 'shoal.ipc',
  pid: 'shoal.pid',
  uts: 'shoal.uts',
  userns_mode: 'shoal.userns',
  cgroup: 'shoal.cgroupns',
  cgroup_parent: 'shoal.cgroup-parent',
  runtime: 'shoal.runtime',
};
/** Why some of what is left out is. */
const reasons: Readonly<Record<string, string>> = {
  container_name: 'containers are called after their task, and services by their name',
  links: 'services of one network find each other by name',
};
/** What else is read below. */
const read = new Set([
  ...[...same, ...flags, ...Object.keys(runFlags)],
  ...[
    'command',
    'configs',
    'cpus',
    'cpu_count',
    'depends_on',
    'deploy',
    'device_cgroup_rules',
    'devices',
  ],
  ...[
    'entrypoint',
    'env_file',
    'environment',
    'extra_hosts',
    'gpus',
    'healthcheck',
    'labels',
    'logging',
  ],
  ...[
    'mem_limit',
    'mem_reservation',
    'network_mode',
    'networks',
    'pids_limit',
    'platform',
    'ports',
  ],
  ...['privileged', 'restart', 'secrets', 'security_opt', 'sysctls', 'ulimits', 'volumes'],
]);

const conditionOf: Readonly<Record<string, string>> = {
  service_started: 'started',
  service_healthy: 'healthy',
  service_completed_successfully: 'completed',
};
/** What Go calls processors, as nodes tell it. */
const architectures: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  'arm/v7': 'armv7l',
};

/** Says of a service what version 3.9 of the format can, and the rest by labels. @throws ComposeError */
export function translateService(given: YamlMap, context: ServiceContext): TranslatedService {
  const { name } = context;
  const notes: string[] = [];
  const note = (text: string): void => void notes.push(`service ${name}: ${text}`);
  if (textOf(given['image']) === '')
    throw new ComposeError(
      `service ${name} has no image: a swarm builds none, so build it (docker compose build) and name it by image:`,
    );
  for (const key of Object.keys(given))
    if (!read.has(key) && !silent.has(key) && !key.startsWith('x-'))
      note(`${key} is left out: ${reasons[key] ?? 'a swarm has nothing like it'}`);
  const translated: Record<string, YamlValue | undefined> = {};
  for (const key of same) translated[key] = given[key];
  for (const key of flags)
    if (given[key] !== undefined) translated[key] = flagOf(given[key], `${name}.${key}`);
  translated['command'] = wordsOf(given['command']);
  translated['entrypoint'] = wordsOf(given['entrypoint']);
  translated['environment'] = environmentOf(given, context);
  translated['extra_hosts'] = hostsOf(given['extra_hosts']);
  translated['sysctls'] = textPairs(given['sysctls']);
  translated['ulimits'] = ulimitsOf(given['ulimits'], name);
  translated['healthcheck'] = healthOf(given['healthcheck'], name, note);
  translated['logging'] = loggingOf(given['logging']);
  translated['labels'] = containerLabels(given, name, note);
  translated['ports'] = each(given['ports'], (one) => portOf(one, name, note));
  translated['volumes'] = each(given['volumes'], (one) => mountOf(one, name, note));
  translated['secrets'] = each(given['secrets'], (one) => referenceOf(one, name));
  translated['configs'] = each(given['configs'], (one) => referenceOf(one, name));
  const { networks, predefined } = networksOf(given, note);
  translated['networks'] = networks;
  translated['deploy'] = deployOf(given, context, note);
  return { service: withoutNothing(translated), predefined, notes };
}

type Note = (text: string) => void;

function each(
  value: YamlValue | undefined,
  change: (one: YamlValue) => YamlValue,
): readonly YamlValue[] | undefined {
  return value === undefined || value === null ? undefined : listOf(value).map(change);
}

/** The files first, in their order, then what is said here. */
function environmentOf(given: YamlMap, { name, lookup, envFile }: ServiceContext): YamlMap {
  const all: Record<string, string> = {};
  for (const entry of listOf(given['env_file'])) {
    const path = textOf(isMap(entry) ? entry['path'] : entry);
    const text = envFile(path);
    if (text === undefined) {
      if (isMap(entry) && entry['required'] === false) continue;
      throw new ComposeError(`service ${name}: there is no env_file ${path}`);
    }
    const raw = isMap(entry) && entry['format'] === 'raw';
    const found = readEnvFile(raw ? text.replaceAll('$', '$$$$') : text, lookup);
    if (found.kind === 'refused') throw new ComposeError(`${path}: ${found.message}`);
    for (const [key, value] of found.variables) all[key] = value;
  }
  for (const [key, value] of Object.entries(pairsOf(given['environment']))) {
    const own = value === null || value === undefined ? lookup(key) : textOf(value);
    if (own !== undefined) all[key] = own;
  }
  return all;
}

/** `name:address` each; the newest form has `=` between them. */
function hostsOf(value: YamlValue | undefined): readonly YamlValue[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (isMap(value))
    return Object.entries(value).flatMap(([host, at]) =>
      listOf(at).map((one) => `${host}:${textOf(one)}`),
    );
  return listOf(value).map((one) => textOf(one).replace('=', ':'));
}

function healthOf(value: YamlValue | undefined, name: string, note: Note): YamlMap | undefined {
  if (!isMap(value)) return undefined;
  const { test, retries, disable, start_interval: startInterval, ...rest } = value;
  if (startInterval !== undefined)
    note('healthcheck.start_interval is left out: stack files cannot say it');
  return withoutNothing({
    ...rest,
    test: isList(test) ? test.map(textOf) : test,
    retries: retries === undefined ? undefined : wholeOf(retries, `${name}.healthcheck.retries`),
    disable: disable === undefined ? undefined : flagOf(disable, `${name}.healthcheck.disable`),
  });
}

function loggingOf(value: YamlValue | undefined): YamlMap | undefined {
  if (!isMap(value)) return undefined;
  return withoutNothing({ driver: value['driver'], options: textPairs(value['options']) });
}

function ulimitsOf(value: YamlValue | undefined, name: string): YamlMap | undefined {
  if (!isMap(value)) return undefined;
  const limit = (one: YamlValue | undefined, at: string): number =>
    wholeOf(one, `${name}.ulimits.${at}`);
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      isMap(one)
        ? { soft: limit(one['soft'], `${key}.soft`), hard: limit(one['hard'], `${key}.hard`) }
        : limit(one, key),
    ]),
  );
}

function containerLabels(given: YamlMap, name: string, note: Note): YamlMap | undefined {
  const own = textPairs(given['labels']) ?? {};
  const said: Record<string, string> = {};
  for (const [key, label] of Object.entries(runFlags))
    if (given[key] !== undefined && given[key] !== null) said[label] = textOf(given[key]);
  if (given['privileged'] !== undefined && flagOf(given['privileged'], `${name}.privileged`))
    said['shoal.privileged'] = 'true';
  const lists = [
    ['devices', 'shoal.devices'],
    ['device_cgroup_rules', 'shoal.device-cgroup-rules'],
    ['security_opt', 'shoal.security-opt'],
  ] as const;
  for (const [key, label] of lists) {
    const entries = listOf(given[key]).map((one) =>
      deviceText(one).replace(/^(seccomp|apparmor|label|systempaths):/, '$1='),
    );
    if (entries.length > 0) said[label] = entries.join(',');
  }
  const gpus = gpusOf(given, name, note);
  if (gpus !== undefined) said['shoal.gpus'] = gpus;
  const all = { ...said, ...own };
  return Object.keys(all).length === 0 ? undefined : all;
}

function deviceText(entry: YamlValue): string {
  if (!isMap(entry)) return textOf(entry);
  return ['source', 'target', 'permissions']
    .map((key) => textOf(entry[key]))
    .filter(Boolean)
    .join(':');
}

/** `gpus: all`, or what is reserved of the driver `nvidia`. */
function gpusOf(given: YamlMap, name: string, note: Note): string | undefined {
  const reserved = mapOf(mapOf(mapOf(given['deploy'])['resources'])['reservations'])['devices'];
  const wishes = [...listOf(given['gpus']), ...listOf(reserved)];
  const [first] = wishes;
  if (first === undefined) return undefined;
  if (wishes.length > 1) note('of several wishes for devices, the first counts');
  if (!isMap(first)) return textOf(first);
  const capabilities = listOf(first['capabilities']).map(textOf);
  if (capabilities.length > 0 && !capabilities.includes('gpu')) {
    note(`devices with ${capabilities.join(', ')} are left out: only gpu is known`);
    return undefined;
  }
  const ids = listOf(first['device_ids']).map(textOf);
  if (ids.length > 0) return `device=${ids.join(',')}`;
  const { count = 'all' } = first;
  return count === 'all' ? 'all' : String(wholeOf(count, `${name}.gpus.count`));
}

function portOf(entry: YamlValue, name: string, note: Note): YamlValue {
  if (!isMap(entry)) return textOf(entry);
  const { target, published, protocol, mode, host_ip: address } = entry;
  if (address !== undefined && !['', '0.0.0.0', '::'].includes(textOf(address)))
    note(`port ${textOf(target)} is published on every address, not on ${textOf(address)} alone`);
  const [first = '', last] = textOf(published).split('-');
  if (last !== undefined) note(`of the ports ${textOf(published)}, ${first} is published`);
  return withoutNothing({
    target: wholeOf(target, `${name}.ports.target`),
    published: first === '' ? undefined : wholeOf(first, `${name}.ports.published`),
    protocol,
    mode,
  });
}

function mountOf(entry: YamlValue, name: string, note: Note): YamlValue {
  if (!isMap(entry)) return textOf(entry);
  const { type, source, target, read_only: readOnly, bind, volume, tmpfs } = entry;
  const at = `${name}.volumes.${textOf(target)}`;
  const { propagation } = mapOf(bind);
  const { nocopy, subpath } = mapOf(volume);
  const { size } = mapOf(tmpfs);
  if (subpath !== undefined)
    note(`volume.subpath of ${textOf(target)} is left out: all of the volume is mounted`);
  if (!['bind', 'volume', 'tmpfs', 'npipe', 'cluster'].includes(textOf(type)))
    throw new ComposeError(
      `service ${name}: a stack has no mounts of type ${textOf(type)}, as for ${textOf(target)}`,
    );
  return withoutNothing({
    type,
    source,
    target,
    read_only: readOnly === undefined ? undefined : flagOf(readOnly, `${at}.read_only`),
    bind: propagation === undefined ? undefined : { propagation },
    volume: nocopy === undefined ? undefined : { nocopy: flagOf(nocopy, `${at}.volume.nocopy`) },
    tmpfs: size === undefined ? undefined : { size: bytesOf(size, `${at}.tmpfs.size`) },
  });
}

/** Of a secret or a config. A mode in quotes is as octal as one without. */
function referenceOf(entry: YamlValue, name: string): YamlValue {
  if (!isMap(entry)) return textOf(entry);
  const { source, target, uid, gid, mode } = entry;
  const octal = typeof mode === 'string' ? /^0?o?([0-7]{3,4})$/.exec(mode)?.[1] : undefined;
  if (typeof mode === 'string' && octal === undefined)
    throw new ComposeError(
      `service ${name}: the mode of ${textOf(source)} is octal, such as 0440, not ${mode}`,
    );
  return withoutNothing({
    source,
    target,
    uid: uid === undefined ? undefined : textOf(uid),
    gid: gid === undefined ? undefined : textOf(gid),
    mode: octal === undefined ? mode : Number.parseInt(octal, 8),
  });
}

function networksOf(
  given: YamlMap,
  note: Note,
): { readonly networks: YamlMap | undefined; readonly predefined: readonly string[] } {
  const mode = textOf(given['network_mode']);
  if (mode === 'host' || mode === 'none') return { networks: { [mode]: null }, predefined: [mode] };
  if (mode !== '' && mode !== 'bridge' && mode !== 'default')
    note(`network_mode ${mode} is left out: tasks share no network of their own with others`);
  if (given['networks'] === undefined || given['networks'] === null)
    return { networks: undefined, predefined: [] };
  const networks = Object.entries(namesOf(given['networks'])).map(([network, how]) => {
    const { aliases, ...rest } = mapOf(how);
    for (const key of Object.keys(rest))
      note(`networks.${network}.${key} is left out: the swarm gives addresses itself`);
    return [
      network,
      aliases === undefined ? null : { aliases: listOf(aliases).map(textOf) },
    ] as const;
  });
  return { networks: Object.fromEntries(networks), predefined: [] };
}

function deployOf(given: YamlMap, context: ServiceContext, note: Note): YamlMap | undefined {
  const { name } = context;
  const deploy = mapOf(given['deploy']);
  const {
    resources,
    update_config: update,
    rollback_config: rollback,
    placement,
    ...rest
  } = deploy;
  const {
    restart_policy: restart = restartOf(given['restart'], context),
    replicas,
    labels,
    ...others
  } = rest;
  const wantedReplicas = replicas ?? given['scale'];
  const waits = dependenciesOf(given['depends_on'], context, note);
  const own = { ...(waits === '' ? {} : { 'shoal.depends-on': waits }), ...textPairs(labels) };
  const known = withoutNothing({
    ...others,
    replicas:
      wantedReplicas === undefined ? undefined : wholeOf(wantedReplicas, `${name}.deploy.replicas`),
    labels: Object.keys(own).length === 0 ? undefined : own,
    restart_policy: restartNumbers(restart, name),
    update_config: updateNumbers(update, `${name}.deploy.update_config`),
    rollback_config: updateNumbers(rollback, `${name}.deploy.rollback_config`),
    resources: resourcesOf(given, mapOf(resources), name),
    placement: placementOf(mapOf(placement), textOf(given['platform']), name),
  });
  return Object.keys(known).length === 0 ? undefined : known;
}

/** `db:healthy,migrate:completed`. */
function dependenciesOf(
  value: YamlValue | undefined,
  { name, names }: ServiceContext,
  note: Note,
): string {
  return Object.entries(conditions(value))
    .flatMap(([other, how]) => {
      const { condition = 'service_started', required, restart } = mapOf(how);
      if (!names.has(other)) {
        if (required === false) return [];
        throw new ComposeError(
          `service ${name} depends on ${other}, which is not there, or in no profile that is asked for`,
        );
      }
      if (restart === true)
        note(`depends_on.${other}.restart is left out: a task is restarted for its own sake only`);
      const known = conditionOf[textOf(condition)];
      if (known === undefined)
        throw new ComposeError(
          `service ${name}: depends_on.${other}.condition is one of ${Object.keys(conditionOf).join(', ')}, not ${textOf(condition)}`,
        );
      return [`${other}:${known}`];
    })
    .join(',');
}

/** A swarm restarts whatever ends unless it is told otherwise; what has done its work is not to begin anew. */
function restartOf(
  value: YamlValue | undefined,
  { name, isMeantToEnd }: ServiceContext,
): YamlMap | undefined {
  const [how = '', times] = textOf(value === false ? 'no' : value).split(':');
  switch (how) {
    case '':
      return isMeantToEnd ? { condition: 'on-failure' } : undefined;
    case 'always':
    case 'unless-stopped':
      return undefined;
    case 'no':
      return { condition: 'none' };
    case 'on-failure':
      return {
        condition: 'on-failure',
        ...(times === undefined ? {} : { max_attempts: wholeOf(times, `${name}.restart`) }),
      };
    default:
      throw new ComposeError(
        `service ${name}: restart is no, always, on-failure or unless-stopped, not ${how}`,
      );
  }
}

function restartNumbers(value: YamlValue | undefined, name: string): YamlMap | undefined {
  if (!isMap(value)) return undefined;
  const { max_attempts: attempts, ...rest } = value;
  return withoutNothing({
    ...rest,
    max_attempts:
      attempts === undefined
        ? undefined
        : wholeOf(attempts, `${name}.deploy.restart_policy.max_attempts`),
  });
}

function updateNumbers(value: YamlValue | undefined, at: string): YamlMap | undefined {
  if (!isMap(value)) return undefined;
  const { parallelism, max_failure_ratio: ratio, ...rest } = value;
  return withoutNothing({
    ...rest,
    parallelism: parallelism === undefined ? undefined : wholeOf(parallelism, `${at}.parallelism`),
    max_failure_ratio: ratio === undefined ? undefined : numberOf(ratio, `${at}.max_failure_ratio`),
  });
}

function resourcesOf(given: YamlMap, resources: YamlMap, name: string): YamlMap | undefined {
  const {
    cpus = given['cpus'] ?? given['cpu_count'],
    memory = given['mem_limit'],
    pids = given['pids_limit'],
  } = mapOf(resources['limits']);
  const {
    memory: reserved = given['mem_reservation'],
    cpus: reservedCpus,
    generic_resources: generic,
  } = mapOf(resources['reservations']);
  const amount = (value: YamlValue | undefined): string | undefined =>
    value === undefined || value === null ? undefined : textOf(value);
  const limits = withoutNothing({
    cpus: amount(cpus),
    memory: amount(memory),
    pids: pids === undefined ? undefined : wholeOf(pids, `${name}.deploy.resources.limits.pids`),
  });
  const reservations = withoutNothing({
    cpus: amount(reservedCpus),
    memory: amount(reserved),
    generic_resources: generic,
  });
  const all = withoutNothing({
    limits: Object.keys(limits).length === 0 ? undefined : limits,
    reservations: Object.keys(reservations).length === 0 ? undefined : reservations,
  });
  return Object.keys(all).length === 0 ? undefined : all;
}

/** `platform: linux/arm64` is a constraint here. */
function placementOf(placement: YamlMap, platform: string, name: string): YamlMap | undefined {
  const { max_replicas_per_node: most, constraints, ...rest } = placement;
  const [os, ...variant] = platform.split('/');
  const architecture = variant.join('/');
  const wishes = [
    ...listOf(constraints),
    ...(os === '' || os === undefined ? [] : [`node.platform.os==${os}`]),
    ...(architecture === ''
      ? []
      : [`node.platform.arch==${architectures[architecture] ?? architecture}`]),
  ];
  const all = withoutNothing({
    ...rest,
    constraints: wishes.length === 0 ? undefined : wishes,
    max_replicas_per_node:
      most === undefined
        ? undefined
        : wholeOf(most, `${name}.deploy.placement.max_replicas_per_node`),
  });
  return Object.keys(all).length === 0 ? undefined : all;
}

/** A command as one text, or as words. */
function wordsOf(value: YamlValue | undefined): YamlValue | undefined {
  if (value === undefined || value === null) return undefined;
  return isList(value) ? value.map(textOf) : textOf(value);
}

/** A map of texts: numbers and flags are written as texts. */
function textPairs(value: YamlValue | undefined): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  return Object.fromEntries(Object.entries(pairsOf(value)).map(([key, one]) => [key, textOf(one)]));
}

export function flagOf(value: YamlValue | undefined, at: string): boolean {
  if (typeof value === 'boolean') return value;
  if (/^(?:true|yes|on|1)$/i.test(textOf(value))) return true;
  if (/^(?:false|no|off|0)$/i.test(textOf(value))) return false;
  throw new ComposeError(`${at} is true or false, not ${textOf(value)}`);
}

function wholeOf(value: YamlValue | undefined, at: string): number {
  const number = numberOf(value, at);
  if (Number.isInteger(number)) return number;
  throw new ComposeError(`${at} is a whole number, not ${textOf(value)}`);
}

function numberOf(value: YamlValue | undefined, at: string): number {
  const number = textOf(value).trim() === '' ? Number.NaN : Number(textOf(value));
  if (Number.isFinite(number)) return number;
  throw new ComposeError(`${at} is a number, not ${JSON.stringify(textOf(value))}`);
}

const units: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** `64m` as stack files have it: in bytes. */
function bytesOf(value: YamlValue | undefined, at: string): number {
  const [, amount = '', unit = 'b'] =
    /^(\d+(?:\.\d+)?)\s*([bkmgt])?(?:i?b)?$/i.exec(textOf(value)) ?? [];
  if (amount === '') throw new ComposeError(`${at} is a size such as 64m, not ${textOf(value)}`);
  return Math.round(Number(amount) * (units[unit.toLowerCase()] ?? 1));
}

export function withoutNothing(map: YamlMap): YamlMap {
  return Object.fromEntries(
    Object.entries(map).filter(([, value]) => value !== undefined && value !== null),
  );
}
