import type { DocumentSpec } from '@shoal/state';
import { z } from 'zod';
import { ApiError, invalidArgument, rpcError } from '../errors.ts';
import { decode } from '../json.ts';
import { map, pointer, text } from '../requests/go-values.ts';
import { type ApiVersion, formatVersion, isOlder } from '../version.ts';
import { decodeBase64 } from './base64.ts';

/** Secrets and configs: what people put into the cluster for their tasks to read. */
export type DocumentKind = 'secret' | 'config';

/** Upper bounds of the content that Docker names, bytes. */
export const documentBytesMax: Readonly<Record<DocumentKind, number>> = {
  secret: 500 * 1024,
  config: 1_000 * 1024,
};

const nameForm = /^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$/;
const nameCharsMax = 64;
const templatings: readonly string[] = ['golang'];
const templatingSince: ApiVersion = { major: 1, minor: 37 };

const driver = pointer(z.object({ Name: text, Options: map }));
const schema = z.object({
  Name: text,
  Labels: map,
  Data: text,
  Driver: driver,
  Templating: driver,
});

export interface DocumentRequest {
  readonly spec: DocumentSpec;
  readonly data: Buffer;
}

/** Templates came with 1.37. @throws ApiError 400 when an older client asks for one */
export function checkTemplatingVersion(
  kind: DocumentKind,
  body: unknown,
  version: ApiVersion,
): void {
  const { Templating } = decode(schema, kind === 'secret' ? 'SecretSpec' : 'ConfigSpec', body);
  if (Templating !== undefined && isOlder(version, templatingSince))
    throw new ApiError(
      400,
      `${kind} templating is not supported on the specified API version: ${formatVersion(version)}`,
    );
}

/** Reads the body of an update, of which only the labels may differ. @throws ApiError 400 */
export function parseDocument(kind: DocumentKind, body: unknown): DocumentRequest {
  return documentOf(decode(schema, kind === 'secret' ? 'SecretSpec' : 'ConfigSpec', body));
}

/** Reads the body of a create, and checks it as Swarm does. @throws ApiError */
export function parseNewDocument(kind: DocumentKind, body: unknown): DocumentRequest {
  const request = decode(schema, kind === 'secret' ? 'SecretSpec' : 'ConfigSpec', body);
  const document = documentOf(request);
  checkName(document.spec.Name);
  const { Driver, Templating } = request;
  // Nobody provides secrets from elsewhere.
  if (kind === 'secret' && Driver !== undefined)
    throw Driver.Name === undefined
      ? rpcError('InvalidArgument', 'secret driver must have a name')
      : rpcError('Unknown', `plugin ${JSON.stringify(Driver.Name)} not found`);
  const bytesMax = documentBytesMax[kind];
  if (document.data.length === 0 || document.data.length >= bytesMax)
    throw invalidArgument(`${kind} data must be larger than 0 and less than ${bytesMax} bytes`);
  if (Templating !== undefined && !templatings.includes(Templating.Name ?? ''))
    throw invalidArgument(
      `templating driver ${JSON.stringify(Templating.Name ?? '')} is not known: use golang`,
    );
  return document;
}

function documentOf({ Name, Labels, Data, Templating }: z.output<typeof schema>): DocumentRequest {
  const content = decodeBase64(Data ?? '');
  if (content.kind === 'corrupt')
    throw new ApiError(400, `invalid JSON: illegal base64 data at input byte ${content.at}`);
  return {
    spec: {
      Name: Name ?? '',
      Labels: Labels ?? {},
      ...(Templating !== undefined && {
        Templating: {
          Name: Templating.Name ?? '',
          ...(Templating.Options !== undefined && { Options: Templating.Options }),
        },
      }),
    },
    data: content.bytes,
  };
}

function checkName(name: string): void {
  if (name === '') throw invalidArgument('name must be provided');
  if (name.length > nameCharsMax || !nameForm.test(name))
    throw invalidArgument(
      'invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]',
    );
}
