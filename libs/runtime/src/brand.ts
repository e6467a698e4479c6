/** A nominal type: a `T` that can only come from where its meaning was established. */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };

/** Wall-clock time in milliseconds since the Unix epoch. May jump; never use it to measure a duration. */
export type Instant = Brand<number, 'Instant'>;

/** Monotonic time in milliseconds since an arbitrary start. Only differences mean anything. */
export type Monotonic = Brand<number, 'Monotonic'>;

/** Position in the replicated log, from 1. Stays under 2^53, so a number is exact. 0 means "before the first entry". */
export type LogIndex = Brand<number, 'LogIndex'>;

/** Raft term, from 1. 0 means "none yet". */
export type Term = Brand<number, 'Term'>;
