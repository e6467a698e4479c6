/** What a caller can do about an expected failure. Each has its words on both of our protocols. */
export type ErrorKind =
  /** The request can never succeed as it is. */
  | 'invalid'
  | 'not-found'
  /** Taken, in use, or changed by somebody else meanwhile. */
  | 'conflict'
  /** The caller is known and may not do this. */
  | 'forbidden'
  /** The caller could not prove who it is. */
  | 'unauthenticated'
  /** A limit is reached; later may work. */
  | 'exhausted'
  /** Something that is needed cannot be reached; trying again is right. */
  | 'unavailable'
  | 'internal';

/** HTTP status and gRPC status code of each kind. */
export const statusOf: Readonly<
  Record<ErrorKind, { readonly http: number; readonly grpc: number }>
> = {
  invalid: { http: 400, grpc: 3 },
  'not-found': { http: 404, grpc: 5 },
  conflict: { http: 409, grpc: 6 },
  forbidden: { http: 403, grpc: 7 },
  unauthenticated: { http: 401, grpc: 16 },
  exhausted: { http: 429, grpc: 8 },
  unavailable: { http: 503, grpc: 14 },
  internal: { http: 500, grpc: 13 },
};

/** An expected failure on its way to an edge, which answers with {@link statusOf} and the message. */
export class CataloguedError extends Error {
  override readonly name = 'CataloguedError';
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
