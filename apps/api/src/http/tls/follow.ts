import { isDeepStrictEqual } from 'node:util';
import type { Clock, Logger, Timer } from '@shoal/runtime';
import { type Certificates, readCertificates, type TlsFiles } from './certificates.ts';

/** Pause between looks at the files, milliseconds. */
const lookMs = 10_000;

/**
 * Tells of certificates that have been replaced on disk, until its result is called. What cannot be used is
 * complained of once, and nothing changes: a certificate and its key are rarely written in one step.
 *
 * It looks at the files by the clock. A signal would want everybody who renews certificates to know this process,
 * in its container or under its supervisor; a watch of the file system is lost when a link, a folder or a mount is replaced.
 */
export function followCertificates(
  files: TlsFiles,
  known: Certificates,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  replaced: (certificates: Certificates) => void,
): () => void {
  let current = known;
  let complaint: string | undefined;
  let ended = false;
  let timer: Timer;
  const look = async (): Promise<void> => {
    const found = await readCertificates(files);
    if (ended) return;
    if (found.kind === 'refused') {
      if (found.message !== complaint) logger.warn({ reason: found.message }, 'tls_files_unusable');
      complaint = found.message;
    } else {
      complaint = undefined;
      if (!isDeepStrictEqual(found.certificates, current)) {
        current = found.certificates;
        replaced(current);
        logger.info({ file: files.tlscert }, 'tls_certificates_replaced');
      }
    }
    wait();
  };
  const wait = (): void => {
    timer = clock.after(lookMs, () => void look());
  };
  wait();
  return () => {
    ended = true;
    timer.cancel();
  };
}
