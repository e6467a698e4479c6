/** The middle value (the mean of the two middle ones for an even count). */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** `median (smallest–largest)` in whole milliseconds. */
export function spread(values: readonly number[]): string {
  const round = (value: number): string => value.toFixed(0);
  return `${round(median(values))} (${round(Math.min(...values))}–${round(Math.max(...values))})`;
}
