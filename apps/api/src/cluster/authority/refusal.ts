import type { status } from '@grpc/grpc-js';

/** Why somebody gets no certificate, as the caller hears it. */
export interface Refusal {
  readonly kind: 'refused';
  readonly code: status;
  readonly message: string;
}

export function refused(code: status, message: string): Refusal {
  return { kind: 'refused', code, message };
}
