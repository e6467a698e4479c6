import type { Labels } from '../spec.ts';
import { labelFault } from './fault.ts';
import { flagOf } from './placement.ts';

/** Entries of one list. */
const entriesMax = 64;

/** A device of the host in a container, as `docker run --device` has it. */
export interface DeviceMapping {
  readonly onHost: string;
  readonly inContainer: string;
  /** Of `r`, `w` and `m`. */
  readonly permissions: string;
}

/** GPUs as `docker run --gpus` asks for them: so many, all of them (-1), or these. */
export type Gpus =
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'devices'; readonly ids: readonly string[] };

interface Option<T> {
  readonly label: string;
  /** Undefined for what is malformed. */
  readonly read: (text: string) => T | undefined;
  /** Continues "must be". */
  readonly allowed: string;
}

/** Labels of a service's containers: what `docker run` has flags for and `docker service create` has not. */
const options = {
  privileged: option('shoal.privileged', flagOf, 'true or false'),
  devices: option(
    'shoal.devices',
    listOf(deviceOf),
    'paths such as /dev/fuse or /dev/sda:/dev/xvda:r, separated by commas',
  ),
  deviceRules: option(
    'shoal.device-cgroup-rules',
    listOf(matching(/^[acb] (?:\d+|\*):(?:\d+|\*) [rwm]{1,3}$/)),
    'rules such as "c 13:* rmw", separated by commas',
  ),
  gpus: option('shoal.gpus', gpusOf, 'all, a number from 1 to 64, or device=0,1'),
  securityOptions: option(
    'shoal.security-opt',
    listOf(
      matching(
        /^(?:no-new-privileges(?:[=:](?:true|false))?|(?:seccomp|systempaths)=unconfined|apparmor=[^\s=]+|label=[^\s=]+)$/,
      ),
    ),
    'seccomp=unconfined, systempaths=unconfined, apparmor=<profile>, label=<option> or no-new-privileges, separated by commas',
  ),
  shmBytes: option('shoal.shm-size', sizeOf, 'a size above 0 such as 256m or 1g'),
  ipc: option(
    'shoal.ipc',
    oneOf('none', 'private', 'shareable', 'host'),
    'none, private, shareable or host',
  ),
  pid: option('shoal.pid', oneOf('host'), 'host'),
  uts: option('shoal.uts', oneOf('host'), 'host'),
  userNamespace: option('shoal.userns', oneOf('host'), 'host'),
  cgroupNamespace: option('shoal.cgroupns', oneOf('host', 'private'), 'host or private'),
  cgroupParent: option(
    'shoal.cgroup-parent',
    matching(/^[\w./:@-]{1,255}$/),
    'the path or the slice of a cgroup',
  ),
  runtime: option(
    'shoal.runtime',
    matching(/^[\w.-]{1,255}$/),
    'the name of a runtime of the engine',
  ),
} as const;

export const containerLabels: readonly string[] = Object.values(options).map(({ label }) => label);

/** What the labels of a container say; what they do not say, or say in a malformed way, is absent. */
export type ContainerOptions = {
  readonly [Name in keyof typeof options]?: NonNullable<ReturnType<(typeof options)[Name]['read']>>;
};

export function containerOptions(labels: Labels): ContainerOptions {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, { label, read }]) => {
      const value = read(labels[label] ?? '');
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What is wrong with the labels of a service's containers, in one sentence; undefined when nothing is. */
export function checkContainerLabels(labels: Labels): string | undefined {
  for (const { label, read, allowed } of Object.values(options)) {
    const text = labels[label];
    if (text !== undefined && read(text) === undefined) return labelFault(label, text, allowed);
  }
  return undefined;
}

function option<T>(label: string, read: Option<T>['read'], allowed: string): Option<T> {
  return { label, read, allowed };
}

function oneOf<T extends string>(...words: readonly T[]) {
  return (text: string): T | undefined => words.find((word) => word === text);
}

function matching(form: RegExp) {
  return (text: string): string | undefined => (form.test(text) ? text : undefined);
}

function listOf<T>(read: (text: string) => T | undefined) {
  return (text: string): readonly T[] | undefined => {
    const parts = text.split(',', entriesMax + 1);
    const values = parts.map((part) => read(part.trim())).filter((value) => value !== undefined);
    return values.length === parts.length && parts.length <= entriesMax ? values : undefined;
  };
}

function deviceOf(text: string): DeviceMapping | undefined {
  const [onHost = '', second = onHost, third, ...more] = text.split(':');
  const isMode = (part: string): boolean => /^[rwm]{1,3}$/.test(part);
  // With two parts the second is a path or, as for `docker run`, the permissions.
  const [inContainer, permissions] =
    third === undefined && isMode(second) ? [onHost, second] : [second, third ?? 'rwm'];
  const isPath = (part: string): boolean => /^\/[^\s,]+$/.test(part);
  if (more.length > 0 || !isPath(onHost) || !isPath(inContainer) || !isMode(permissions))
    return undefined;
  return { onHost, inContainer, permissions };
}

function gpusOf(text: string): Gpus | undefined {
  if (text === 'all') return { kind: 'count', count: -1 };
  if (/^[1-9]\d?$/.test(text) && Number(text) <= entriesMax)
    return { kind: 'count', count: Number(text) };
  const [, list] = /^device=(.+)$/.exec(text) ?? [];
  const ids = list === undefined ? undefined : listOf(matching(/^[\w.:-]{1,128}$/))(list);
  return ids === undefined ? undefined : { kind: 'devices', ids };
}

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
};

/** As the flags of `docker run` read sizes: units are powers of 1024. */
function sizeOf(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)([kmg]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * (unitBytes[unit.toLowerCase()] ?? 0));
  return bytes > 0 ? bytes : undefined;
}
