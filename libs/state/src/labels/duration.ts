/** What a duration written in a label says. */
export type ParsedDuration =
  | { readonly kind: 'duration'; readonly ms: number }
  | { readonly kind: 'invalid' };

const invalid: ParsedDuration = { kind: 'invalid' };

/** Milliseconds of each unit of Go's `time.ParseDuration`. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Longer texts are no durations that a person wrote, characters. */
const textMax = 64;

// The signs for micro are U+00B5 and U+03BC.
const term = /(\d+\.?\d*|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;

/**
 * Reads a duration in Go's form, as Docker's command line takes it: `90s`, `1h30m`, `1.5h`, `300ms`, `0`.
 * Negative ones are invalid, for no label means one.
 */
export function parseDuration(text: string): ParsedDuration {
  const digits = text.startsWith('+') ? text.slice(1) : text;
  if (digits === '0') return { kind: 'duration', ms: 0 };
  if (digits === '' || digits.length > textMax) return invalid;
  let ms = 0;
  term.lastIndex = 0;
  while (term.lastIndex < digits.length) {
    const [, amount, unit] = term.exec(digits) ?? [];
    if (amount === undefined || unit === undefined) return invalid;
    ms += Number(amount) * (unitMs[unit] ?? Number.NaN);
  }
  return Number.isFinite(ms) ? { kind: 'duration', ms } : invalid;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** Milliseconds as a person writes them, in Go's form: `1h30m`, `2m5s`, `1.5s`, `0s`. */
export function formatDuration(ms: number): string {
  const hours = Math.floor(ms / hourMs);
  const minutes = Math.floor((ms % hourMs) / minuteMs);
  const seconds = (ms % minuteMs) / 1_000;
  const parts = [
    hours > 0 ? `${hours}h` : '',
    minutes > 0 ? `${minutes}m` : '',
    seconds > 0 ? `${seconds}s` : '',
  ];
  return parts.join('') || '0s';
}
