import type { TlsFiles } from './certificates.ts';

/** What was asked for the TCP port, in Docker's words. */
export interface TlsFlags {
  readonly tcp?: string | undefined;
  readonly tls?: boolean | undefined;
  readonly tlsverify?: boolean | undefined;
  readonly tlscacert?: string | undefined;
  readonly tlscert?: string | undefined;
  readonly tlskey?: string | undefined;
}

export type TlsChoice =
  | { readonly kind: 'plain' }
  | { readonly kind: 'tls'; readonly files: TlsFiles }
  /** One sentence for a person. */
  | { readonly kind: 'refused'; readonly message: string };

const fileFlags = ['tlscacert', 'tlscert', 'tlskey'] as const;

/**
 * What the flags mean together, as for dockerd: `--tlsverify` turns TLS on whatever its value, and without it the
 * authority's certificate is not looked at. One thing is stricter: files alone, which dockerd passes over, would leave
 * a port open that somebody believes to be protected.
 */
export function chooseTls(flags: TlsFlags): TlsChoice {
  const asking = flags.tlsverify !== undefined ? '--tlsverify' : '--tls';
  const isOn = flags.tls === true || flags.tlsverify !== undefined;
  const file = fileFlags.find((name) => flags[name] !== undefined);
  if (!isOn && file === undefined) return { kind: 'plain' };
  if (flags.tcp === undefined) {
    const given = isOn ? asking : `--${file}`;
    return refused(
      `${given} is for the TCP port, and there is none: give --tcp as well, as in --tcp=0.0.0.0:2376, or leave ${given} out`,
    );
  }
  if (!isOn) {
    return refused(
      `--${file} alone would leave the TCP port open to everybody: give --tlsverify as well, or leave --${file} out`,
    );
  }
  const { tlscert, tlskey, tlscacert } = flags;
  if (tlscert === undefined)
    return refused(`${asking} needs the server's certificate: give --tlscert`);
  if (tlskey === undefined)
    return refused(`${asking} needs the key of the server's certificate: give --tlskey`);
  if (flags.tlsverify !== true)
    return { kind: 'tls', files: { tlscert, tlskey, tlscacert: undefined } };
  if (tlscacert === undefined) {
    return refused(
      '--tlsverify needs the certificate of the authority that issues those of clients: give --tlscacert',
    );
  }
  return { kind: 'tls', files: { tlscert, tlskey, tlscacert } };
}

function refused(message: string): TlsChoice {
  return { kind: 'refused', message };
}
