import { EntryPayload, encoded } from '@shoal/proto/entry';
import { errorMessage, type Instant } from '@shoal/runtime';
import { isKnownSchema, stateSchema, unknownSchema } from './format.ts';

export type DecodedPayload =
  | {
      readonly kind: 'ok';
      readonly time: Instant;
      /** Each as {@link decodeTransaction} reads it. */
      readonly transactions: readonly Uint8Array[];
    }
  | { readonly kind: 'unknown-schema' | 'malformed'; readonly message: string };

/**
 * The content of one log entry; its time is kept in whole milliseconds. `transactions` are as
 * `encodeTransaction` made them.
 */
export function encodePayload(time: Instant, transactions: readonly Uint8Array[]): Uint8Array {
  return encoded(EntryPayload, {
    schema: stateSchema,
    timeMs: Math.trunc(time),
    transactions: transactions as Buffer[],
  });
}

export function decodePayload(payload: Uint8Array): DecodedPayload {
  let decoded: EntryPayload;
  try {
    decoded = EntryPayload.decode(payload);
  } catch (error) {
    return { kind: 'malformed', message: `not an entry payload: ${errorMessage(error)}` };
  }
  const { schema, timeMs, transactions } = decoded;
  if (!isKnownSchema(schema))
    return { kind: 'unknown-schema', message: unknownSchema('log entry', schema) };
  return { kind: 'ok', time: timeMs as Instant, transactions };
}
