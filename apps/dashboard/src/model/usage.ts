/** What something used at one time. */
export interface UsageSample {
  /** Milliseconds since 1970, on the clock of the node. */
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** Of a node, a service or a task at one time. */
export interface UsagePoint {
  readonly atMs: number;
  /** Kept busy since the sample before, on average. */
  readonly processors: number;
  readonly memoryBytes: number;
}

/** Points that are kept: ten minutes at one each five seconds. */
const pointsMax = 120;

/** What several containers use together, as it went since somebody looks. */
export class UsageHistory {
  #before: ReadonlyMap<string, UsageSample> = new Map();
  #points: readonly UsagePoint[] = [];

  get points(): readonly UsagePoint[] {
    return this.#points;
  }

  /** Adds one sample of each container, by its id. A container that was not there before counts from the next sample on. */
  add(atMs: number, samples: ReadonlyMap<string, UsageSample>): void {
    let processors = 0;
    let memoryBytes = 0;
    let known = 0;
    for (const [id, now] of samples) {
      memoryBytes += now.memoryBytes;
      const before = this.#before.get(id);
      const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1_000;
      if (before === undefined || seconds <= 0) continue;
      known += 1;
      processors += Math.max(0, now.cpuSeconds - before.cpuSeconds) / seconds;
    }
    this.#before = samples;
    if (known === 0 && samples.size > 0) return;
    this.#points = [...this.#points, { atMs, processors, memoryBytes }].slice(-pointsMax);
  }
}

/** The path of a line through values, in a box of `width` and `height`, from 0 to `top`; empty for fewer than two. */
export function linePath(
  values: readonly number[],
  width: number,
  height: number,
  top: number,
): string {
  if (values.length < 2 || top <= 0) return '';
  const step = width / (values.length - 1);
  return values
    .map((value, at) => {
      const y = height - (Math.min(value, top) / top) * height;
      return `${at === 0 ? 'M' : 'L'}${(at * step).toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}
