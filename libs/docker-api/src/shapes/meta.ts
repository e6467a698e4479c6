import type { Meta } from '@shoal/state';
import { rfc3339Nano } from '../time.ts';

/** The head of every swarm object. */
export function metaShape(id: string, meta: Meta) {
  return {
    ID: id,
    Version: { Index: meta.version },
    CreatedAt: rfc3339Nano(meta.createdAt),
    UpdatedAt: rfc3339Nano(meta.updatedAt),
  };
}

/** Go's `omitempty` for a text. */
export function unlessEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

/** Go's `omitempty` for a number. */
export function unlessZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

/** Go's `omitempty` for a list. */
export function unlessNone<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}
