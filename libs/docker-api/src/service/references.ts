import type { ContainerSpec } from '@shoal/state';
import type { DocumentKind } from '../documents/request.ts';
import { invalidArgument } from '../errors.ts';
import type { Surroundings } from './validate.ts';

/** What a container spec says of one secret or config. */
interface Reference {
  readonly kind: DocumentKind;
  readonly id: string;
  readonly name: string;
  /** Name of the file; undefined when it is to be no file. */
  readonly file: string | undefined;
  readonly isForRuntime: boolean;
}

function referencesOf({ Secrets = [], Configs = [] }: ContainerSpec): readonly Reference[] {
  return [
    ...Secrets.map(
      ({ SecretID: id, SecretName: name, File }): Reference => ({
        kind: 'secret',
        id,
        name,
        file: File?.Name,
        isForRuntime: false,
      }),
    ),
    ...Configs.map(
      ({ ConfigID: id, ConfigName: name, File, Runtime }): Reference => ({
        kind: 'config',
        id,
        name,
        file: File?.Name,
        isForRuntime: Runtime !== undefined,
      }),
    ),
  ];
}

/** Checks that each reference is whole, and no file is meant for two. @throws ApiError 400 */
export function validateReferences(spec: ContainerSpec): void {
  const references = referencesOf(spec);
  for (const kind of ['secret', 'config'] as const) {
    const targets = new Map<string, string>();
    for (const one of references) if (one.kind === kind) validateReference(one, targets);
  }
  const config = credentialConfig(spec);
  const isMeant = ({ kind, id, isForRuntime }: Reference): boolean =>
    kind === 'config' && id === config && isForRuntime;
  if (config !== undefined && !references.some(isMeant))
    throw invalidArgument(
      `CredentialSpec references config '${config}', but that config isn't in config references with RuntimeTarget`,
    );
}

function validateReference(
  { kind, id, name, file, isForRuntime }: Reference,
  targets: Map<string, string>,
): void {
  if (id === '' || name === '') throw invalidArgument(`malformed ${kind} reference`);
  if (isForRuntime) return;
  if (file === undefined) throw invalidArgument(`malformed ${kind} reference, no target provided`);
  if (file === '')
    throw invalidArgument(`malformed file ${kind} reference, invalid target file name provided`);
  const other = targets.get(file);
  if (other !== undefined)
    throw invalidArgument(
      `${kind} references '${other}' and '${name}' have a conflicting target: '${file}'`,
    );
  targets.set(file, name);
}

function credentialConfig({ Privileges }: ContainerSpec): string | undefined {
  const given = Privileges?.['CredentialSpec'];
  if (typeof given !== 'object' || given === null) return undefined;
  const config: unknown = Reflect.get(given, 'Config');
  return typeof config === 'string' && config !== '' ? config : undefined;
}

/** Everything named exists under that name. @throws ApiError 400 */
export function findDocuments(spec: ContainerSpec, { documentName }: Surroundings): void {
  for (const kind of ['secret', 'config'] as const) {
    const missing = referencesOf(spec)
      .filter((one) => one.kind === kind && documentName(kind, one.id) !== one.name)
      .map(({ name }) => name);
    if (missing.length > 0)
      throw invalidArgument(
        `${kind}${missing.length > 1 ? 's' : ''} not found: ${missing.join(', ')}`,
      );
  }
}
