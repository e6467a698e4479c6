/** Runs of a smaller plan that are tried before the smallest found so far is taken. */
const triesMax = 200;

/**
 * Leaves out steps of a failing plan as long as it still fails (Zeller and Hildebrandt's delta debugging):
 * first large runs of steps, then smaller ones, in the end single ones.
 */
export async function shrink<S, P extends { readonly steps: readonly S[] }>(
  plan: P & { readonly steps: readonly S[] },
  fails: (plan: P) => Promise<boolean>,
  tries = triesMax,
): Promise<P> {
  let steps = plan.steps;
  let size = Math.ceil(steps.length / 2);
  let left = tries;
  while (size >= 1 && left > 0) {
    let smaller: readonly S[] | undefined;
    for (let at = 0; at < steps.length && left > 0; at += size) {
      const without = [...steps.slice(0, at), ...steps.slice(at + size)];
      left -= 1;
      if (!(await fails({ ...plan, steps: without }))) continue;
      smaller = without;
      break;
    }
    if (smaller !== undefined) steps = smaller;
    else if (size === 1) break;
    else size = Math.ceil(size / 2);
    size = Math.min(size, Math.max(1, steps.length));
  }
  return { ...plan, steps };
}
