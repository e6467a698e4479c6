import type { Clock } from '@shoal/runtime';

/** Resolves with `work`, or after `ms` at the latest; tells whether the work was done. */
export function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, () => resolve(false));
    const done = (ok: boolean): void => {
      timer.cancel();
      resolve(ok);
    };
    work.then(
      () => done(true),
      () => done(false),
    );
  });
}
