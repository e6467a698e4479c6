import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClusterCa, createClusterCa, createNodeKey, issueCertificate } from '@shoal/pki';
import { systemClock, systemRandom } from '@shoal/runtime';
import type { TlsFiles } from '../certificates.ts';

/** A certificate and its key, PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Issues certificates for `localhost`, which do for servers and for clients. */
export class TestAuthority {
  readonly #ca: ClusterCa;

  private constructor(ca: ClusterCa) {
    this.#ca = ca;
  }

  static async create(): Promise<TestAuthority> {
    return new TestAuthority(await createClusterCa(systemClock.now(), systemRandom));
  }

  get certificate(): string {
    return this.#ca.certificate;
  }

  async issue(): Promise<Credentials> {
    const { key, request } = await createNodeKey();
    const issued = await issueCertificate({
      ca: this.#ca,
      request,
      subject: { nodeId: 'localhost', role: 'worker', clusterId: 'of-this-test' },
      now: systemClock.now(),
      random: systemRandom,
    });
    if (issued.kind === 'refused') throw new Error(issued.reason);
    return { cert: issued.certificate, key };
  }
}

/** Writes them as the flags have them. */
export function writeTlsFiles(
  directory: string,
  { cert, key }: Credentials,
  authority: TestAuthority,
): TlsFiles & { readonly tlscacert: string } {
  const write = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  return {
    tlscert: write('server-cert.pem', cert),
    tlskey: write('server-key.pem', key),
    tlscacert: write('ca.pem', authority.certificate),
  };
}
