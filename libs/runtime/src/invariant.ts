/** A programmer error: the process must stop rather than go on with a state that cannot be. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
  readonly context: Readonly<Record<string, unknown>>;

  constructor(message: string, context: Readonly<Record<string, unknown>>) {
    super(`${message} ${JSON.stringify(context)}`);
    this.context = context;
  }
}

const nothing: Readonly<Record<string, unknown>> = {};

/** Always on, also in production. Throws {@link InvariantError} when `condition` does not hold. */
export function invariant(
  condition: unknown,
  message: string,
  context = nothing,
): asserts condition {
  if (!condition) throw new InvariantError(message, context);
}

/** Ends an exhaustive switch: the compiler refuses a missing case, the run time refuses a foreign value. */
export function assertNever(value: never): never {
  throw new InvariantError('a case that cannot be', { value });
}

/** The text of anything thrown. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
