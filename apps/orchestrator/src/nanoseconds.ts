const nanosecondsPerMillisecond = 1_000_000;

/** Docker's durations are nanoseconds, ours milliseconds. */
export function milliseconds(nanoseconds: number): number {
  return nanoseconds / nanosecondsPerMillisecond;
}
