type X509 = typeof import('@peculiar/x509');

let loading: Promise<X509> | undefined;

/**
 * The certificate library, loaded on first use: importing it costs a quarter of a second, and only
 * who issues certificates needs it. It wants `reflect-metadata` to be there before it.
 */
export function loadX509(): Promise<X509> {
  loading ??= import('reflect-metadata').then(() => import('@peculiar/x509'));
  return loading;
}

/** Keys and signatures of the whole cluster, as Swarm's: ECDSA on P-256 with SHA-256. */
export const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
