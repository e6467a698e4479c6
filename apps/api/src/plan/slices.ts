import type { Clock } from '@shoal/runtime';

/** Longest piece of work before requests get their turn, milliseconds. */
const sliceMs = 8;
/** Pause between two pieces of what somebody waits for, and of what nobody does; milliseconds. */
const pauseMs = { foreground: 1, background: 16 } as const;

/** Work that pauses by itself: it yields undefined at each pause and returns its result. */
export type Sliced<T> = Generator<undefined, T>;

/** Does `work`; gives it up at its next pause, with undefined, once nobody wants it. */
export function* whileWanted<T>(work: Sliced<T>, isWanted: () => boolean): Sliced<T | undefined> {
  while (isWanted()) {
    const step = work.next();
    if (step.done) return step.value;
    yield undefined;
  }
  return undefined;
}

/** Does the work to its end, a slice at a time, so that the process answers others in between. */
export function inSlices<T>(
  work: Sliced<T>,
  clock: Clock,
  where: keyof typeof pauseMs = 'foreground',
): Promise<T> {
  return new Promise((resolve, reject) => {
    const slice = (): void => {
      const end = clock.monotonic() + sliceMs;
      try {
        do {
          const step = work.next();
          if (step.done) {
            resolve(step.value);
            return;
          }
        } while (clock.monotonic() < end);
      } catch (error) {
        reject(error);
        return;
      }
      clock.after(pauseMs[where], slice);
    };
    slice();
  });
}
