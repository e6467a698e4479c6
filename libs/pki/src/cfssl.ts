import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { type Clock, errorMessage } from '@shoal/runtime';
import { z } from 'zod';
import type { Proof } from './certificate-source.ts';

/** As Swarm: the longest wait for an answer, and the longest answer. */
const answerMsMax = 5_000;
const answerBytesMax = 256 * 1_024;
/** As much of what an authority says is shown to people, characters. */
const wordsMax = 300;

/** What CFSSL's `sign` takes (its `signer.SignRequest`). */
export interface SignRequest {
  readonly hosts: readonly string[];
  readonly certificate_request: string;
  readonly subject: {
    readonly CN: string;
    readonly names: readonly { readonly OU?: string; readonly O?: string }[];
  };
  readonly profile?: string;
  readonly extensions?: readonly {
    readonly id: string;
    readonly critical: boolean;
    /** Hexadecimal DER. */
    readonly value: string;
  }[];
}

export type SignAnswer =
  | { readonly kind: 'signed'; readonly certificate: string }
  /** The authority understood, and says no. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

const answerForm = z.object({
  success: z.boolean(),
  result: z.object({ certificate: z.string() }).nullish().catch(undefined),
  errors: z
    .array(z.object({ code: z.number().optional(), message: z.string() }))
    .nullish()
    .catch(undefined),
});

/**
 * Asks one authority to sign. It must prove itself by a root of `proof`, and is shown the certificate of
 * `proof`, so that it can tell managers from others.
 */
export async function askToSign(
  address: string,
  body: SignRequest,
  proof: Proof,
  clock: Clock,
): Promise<SignAnswer> {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol))
    return { kind: 'refused', reason: 'the URL of an external CA is not one of http or https' };
  // Not the whole URL: people put passwords there.
  const where = `the external CA at ${url.host}`;
  try {
    const { status, text } = await post(url, JSON.stringify(body), proof, clock);
    if (status !== 200)
      return { kind: 'unavailable', reason: `${where} answered ${status}: ${shortened(text)}` };
    return answerOf(text, where);
  } catch (error) {
    return { kind: 'unavailable', reason: `${where} does not answer: ${errorMessage(error)}` };
  }
}

function answerOf(text: string, where: string): SignAnswer {
  const parsed = answerForm.safeParse(jsonOf(text));
  if (!parsed.success)
    return { kind: 'unavailable', reason: `${where} answers, but not as CFSSL does` };
  const { success, result, errors } = parsed.data;
  if (success && result) return { kind: 'signed', certificate: result.certificate };
  const said = (errors ?? []).map(({ code = 0, message }) => `${message} (${code})`).join('; ');
  return { kind: 'refused', reason: `${where} signs nothing: ${shortened(said || 'no reason')}` };
}

function post(
  url: URL,
  body: string,
  { caCertificate: ca, certificate: cert, key }: Proof,
  clock: Clock,
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const options: RequestOptions = { method: 'POST', headers, agent: false };
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    const call = isSecure
      ? requestHttps(url, { ...options, ca, cert, key, minVersion: 'TLSv1.2' })
      : requestHttp(url, options);
    const timer = clock.after(answerMsMax, () =>
      call.destroy(new Error(`nothing within ${answerMsMax / 1_000} s`)),
    );
    call.on('close', () => timer.cancel());
    call.on('error', reject);
    call.on('response', (response) => {
      readAll(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text }),
        (error: unknown) => {
          call.destroy();
          reject(error);
        },
      );
    });
    call.end(body);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > answerBytesMax) throw new Error(`more than ${answerBytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function shortened(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, wordsMax);
}
