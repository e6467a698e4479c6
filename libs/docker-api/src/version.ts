import { ApiError, apiErrors } from './errors.ts';

/** A version of the Engine API, `major.minor`. */
export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

export const maxVersion: ApiVersion = { major: 1, minor: 50 };
export const minVersion: ApiVersion = { major: 1, minor: 24 };
/** Newest version that a client may name; above {@link maxVersion} it gets the answers of that. */
const newestKnown: ApiVersion = { major: 1, minor: 55 };

const versionForm = /^(\d+)\.(\d+)$/;
const prefixForm = /^\/v(\d[\d.]*)(\/.*)$/;

export function formatVersion({ major, minor }: ApiVersion): string {
  return `${major}.${minor}`;
}

export function parseVersion(text: string): ApiVersion | undefined {
  const match = versionForm.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

export function isOlder(a: ApiVersion, b: ApiVersion): boolean {
  return a.major < b.major || (a.major === b.major && a.minor < b.minor);
}

/** The smaller of two versions. */
export function olderOf(a: ApiVersion, b: ApiVersion): ApiVersion {
  return isOlder(a, b) ? a : b;
}

export type VersionedPath =
  | {
      readonly kind: 'path';
      readonly version: ApiVersion;
      readonly prefixed: boolean;
      readonly path: string;
    }
  /** `plain` says that the body is the text itself and not JSON. */
  | { readonly kind: 'refused'; readonly error: ApiError; readonly plain: boolean };

/** Splits `/v1.41/services?x` into version and rest; a path without version means the newest. */
export function splitVersion(url: string): VersionedPath {
  const match = prefixForm.exec(url);
  const text = match?.[1];
  const path = match?.[2];
  if (text === undefined || path === undefined)
    return { kind: 'path', version: maxVersion, prefixed: false, path: url };
  const version = parseVersion(text);
  if (version === undefined)
    return { kind: 'refused', error: apiErrors.pageNotFound(), plain: false };
  if (isOlder(newestKnown, version)) {
    const error = new ApiError(
      400,
      `client version ${text} is too new. Maximum supported API version is ${formatVersion(maxVersion)}`,
    );
    return { kind: 'refused', error, plain: false };
  }
  if (isOlder(version, minVersion)) {
    const error = new ApiError(
      400,
      `client version ${text} is too old. Minimum supported API version is ${formatVersion(minVersion)}, please upgrade your client to a newer version`,
    );
    return { kind: 'refused', error, plain: true };
  }
  return { kind: 'path', version: olderOf(version, maxVersion), prefixed: true, path };
}
