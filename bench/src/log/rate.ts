import { performance } from 'node:perf_hooks';

/** How long each thing is measured, milliseconds, after a warm-up that is not counted. */
export const measureMs = 2_000;
export const warmUpMs = 300;

/** Counts what `worker` calls complete per second, in `workers` calls side by side. */
export async function rateOf(
  workers: number,
  worker: (index: number, isOver: () => boolean, count: (by: number) => void) => Promise<void>,
): Promise<number> {
  const begin = performance.now() + warmUpMs;
  const end = begin + measureMs;
  let counted = 0;
  let last = begin;
  const count = (by: number): void => {
    const now = performance.now();
    if (now < begin || now > end) return;
    counted += by;
    last = now;
  };
  const isOver = (): boolean => performance.now() > end;
  await Promise.all(
    Array.from({ length: workers }, (_, index) => worker(index, isOver, count)),
  );
  // Up to the last one counted: a pause at the end must not be hidden, nor must its own end be missed.
  return counted / ((Math.max(last, end) - begin) / 1_000);
}
