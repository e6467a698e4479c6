/**
 * Version of everything inside payloads and snapshots. Readers refuse what they do not know; all from 1 on are
 * known. Since 2 changes that are alike are written as one.
 */
export const stateSchema = 2;

/** Largest transaction, bytes of its JSON. */
export const transactionBytesMax = 2 * 1024 * 1024;
/** Changes of one transaction. */
export const changesMax = 8_192;
/** Length of an object's id or of a reference to one, characters. */
export const idCharsMax = 256;
/** Length of a name, characters. */
export const nameCharsMax = 256;
/** Length of any sentence: reasons, messages, errors; characters. */
export const textCharsMax = 64 * 1024;
/** Length of the lists that the state machine itself reads: ports, networks, generic resources. */
export const listMax = 4_096;
/** Nesting of arrays and objects in a transaction. */
export const nestingMax = 512;

/** Bytes that are no payload or snapshot of ours, or of a version that this program does not know. */
export class StateFormatError extends Error {
  override readonly name = 'StateFormatError';
  readonly kind: 'unknown-schema' | 'malformed';

  constructor(kind: 'unknown-schema' | 'malformed', message: string) {
    super(message);
    this.kind = kind;
  }
}

export function isKnownSchema(schema: unknown): boolean {
  return (
    typeof schema === 'number' && Number.isInteger(schema) && schema >= 1 && schema <= stateSchema
  );
}

/** The sentence for a schema this program cannot read. */
export function unknownSchema(what: string, schema: unknown): string {
  return `the ${what} has schema ${String(schema)}, this program knows up to ${stateSchema}: run a newer version`;
}
