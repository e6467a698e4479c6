/** The smallest of the values, in ascending order, that `share` of them do not exceed; NaN of none. */
export function quantile(ascending: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * ascending.length));
  return ascending[rank - 1] ?? Number.NaN;
}
