/** How the dashboard says amounts, times and counts. */

const bytesPerStep = 1024;
const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const nanosPerProcessor = 1e9;

/** `1.5 GiB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (value >= bytesPerStep && step < byteUnits.length - 1) {
    value /= bytesPerStep;
    step += 1;
  }
  const digits = value >= 10 || step === 0 ? 0 : 1;
  return `${value.toFixed(digits)} ${byteUnits[step]}`;
}

/** Processors kept busy or reserved: `0.25`, `3`. */
export function processorsText(nanos: number): string {
  const value = nanos / nanosPerProcessor;
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** How long ago, in its largest unit: `just now`, `42 seconds ago`, `3 hours ago`. Of a time to come, just now. */
export function agoText(then: string, nowMs: number): string {
  const ms = nowMs - Date.parse(then);
  if (Number.isNaN(ms)) return 'at some time';
  if (ms < 2 * secondMs) return 'just now';
  if (ms < 2 * minuteMs) return `${Math.floor(ms / secondMs)} seconds ago`;
  if (ms < 2 * hourMs) return `${Math.floor(ms / minuteMs)} minutes ago`;
  if (ms < 2 * dayMs) return `${Math.floor(ms / hourMs)} hours ago`;
  return `${Math.floor(ms / dayMs)} days ago`;
}

/** `1 task`, `2 tasks`. */
export function countText(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** An image without its digest, and how it is called where it has no name. */
export function imageText(image: string): string {
  const [name = ''] = image.split('@', 1);
  return name === '' ? image : name;
}

/** A colour of its own for each id, as an angle of the colour circle: the same in every browser. */
export function hueOf(id: string): number {
  let hash = 2_166_136_261;
  for (const character of id) hash = Math.imul(hash ^ character.charCodeAt(0), 16_777_619) >>> 0;
  return hash % 360;
}
