/** Tasks whose newest lines are followed at the same time by one process. */
export const feedsMax = 2_048;
/** Newest lines that a feed begins with, so that most followers need not read the log themselves. */
export const feedTail = 256;
/** Newest lines kept of all feeds together, bytes. */
export const ringsBytesMax = 64 << 20;
/** Bounds of what one feed keeps, bytes: fewer when there are many feeds. */
export const ringBytes = { least: 16 << 10, most: 1 << 20 } as const;
/** Logs that are read for single followers at the same time; others wait for their turn. */
export const readsMax = 64;
/** Logs that are read for one follower at the same time. */
export const readsPerFollowerMax = 16;
/** A read that has lasted so long yields to those that wait, milliseconds. */
export const readSliceMs = 5_000;
/** What is written to a follower at once, bytes: what a slow one can have waiting in memory. */
export const chunkBytesMax = 32 << 10;
/** Chunks that are kept for followers at the same place. */
export const chunksMax = 256;
/** A follower that takes nothing for so long gives up its reads; it reads on later, milliseconds. */
export const stallMs = 1_000;
/** Pause before a log is asked for again, doubled each time, milliseconds. */
export const retryMs = { first: 250, most: 2_000 } as const;
/** A stream that has lasted so long counts as good, milliseconds. */
export const steadyMs = 1_000;
/** A followed task whose node is away is named after so long: a dispatcher may come back, milliseconds. */
export const namedAfterMs = 3_000;
/** A log that is not followed is given up after so long, milliseconds. */
export const givenUpAfterMs = 10_000;
/** Longest wait for the feed to come to where a follower's own read ended, milliseconds. */
export const joinMsMax = 5_000;
/** Changes of the state within this time are looked at together, milliseconds. */
export const refreshMs = 20;
/** Tasks of one request; a service has fewer, counting those that have ended. */
export const tasksMax = 50_000;
/** How often it is looked whether the host is still a manager while it has followers, milliseconds. */
export const standingCheckMs = 1_000;
