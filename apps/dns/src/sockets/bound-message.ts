/** What comes with a socket from the process that has bound it. */
export type BoundMessage =
  | { readonly kind: 'udp' | 'tcp' | 'probe'; readonly address: string }
  | { readonly kind: 'failed'; readonly address: string; readonly reason: string };
