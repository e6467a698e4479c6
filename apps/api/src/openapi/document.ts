import { version } from '@shoal/runtime';
import { z } from 'zod';
import type { Named, Operation } from './operation.ts';

/** A route with what is said of it. `url` has its parameters as `:name`. */
export interface DescribedRoute {
  readonly method: string;
  readonly url: string;
  readonly operation: Operation;
}

/** Answers are as they are sent, requests as they are understood: defaults may be left out of these. */
type Direction = 'output' | 'input';

const components = '#/components/schemas/';
const errorAnswer: Named = {
  name: 'Error',
  schema: z.object({ message: z.string().describe('One sentence for people.') }),
};

/** The OpenAPI 3.1 document of the routes. */
export function openApiDocument(routes: readonly DescribedRoute[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, url, operation } of routes) {
    const path = url.replace(/:(\w+)/g, '{$1}');
    const described = operationObject(method, url, operation);
    paths[path] = { ...paths[path], [method.toLowerCase()]: described };
  }
  const answers = routes.flatMap(({ operation: { answer } }) =>
    'schema' in answer ? [answer] : [],
  );
  const bodies = routes.flatMap(({ operation: { body } }) => (body === undefined ? [] : [body]));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Shoal',
      version,
      description:
        'What Docker’s own API cannot say of a swarm. Served beside it, on the same socket of every manager.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: {
        ...schemasOf([...answers, errorAnswer], 'output'),
        ...schemasOf(bodies, 'input'),
      },
    },
  };
}

function operationObject(method: string, url: string, operation: Operation): object {
  const { summary, path = {}, query, body, answer } = operation;
  const parameters = [
    ...Object.entries(path).map(([name, description]) => ({
      name,
      in: 'path',
      required: true,
      description,
      schema: { type: 'string' },
    })),
    ...queryParameters(query),
  ];
  const content =
    'schema' in answer
      ? { 'application/json': { schema: refTo(answer) } }
      : { [answer.mediaType]: { schema: { type: 'string' } } };
  return {
    operationId: operationId(method, url),
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: refTo(body) } } },
    }),
    responses: {
      200: { description: 'Done.', content },
      default: {
        description: 'Refused, or not possible now.',
        content: { 'application/json': { schema: refTo(errorAnswer) } },
      },
    },
  };
}

/** `GET /shoal/v1/services/:ref/explain` → `getServicesExplain`. */
function operationId(method: string, url: string): string {
  const words = url.split('/').filter((part) => part !== '' && !part.startsWith(':'));
  const name = words.slice(2).map((word) => word.replace(/[^a-z]/gi, '_'));
  return [method.toLowerCase(), ...name.map((word) => capitalised(word))].join('');
}

function capitalised(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

function queryParameters(query: z.ZodObject | undefined): readonly object[] {
  if (query === undefined) return [];
  const { properties = {} } = z.toJSONSchema(query, { io: 'input' });
  return Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: false, schema };
  });
}

function refTo({ name }: Named): object {
  return { $ref: `${components}${name}` };
}

/** JSON Schemas by name; a schema that several routes share is there once. */
function schemasOf(
  named: readonly Named[],
  direction: Direction,
): Readonly<Record<string, unknown>> {
  const registry = z.registry<{ id: string }>();
  for (const { name, schema } of named)
    if (!registry.has(schema)) registry.add(schema, { id: name });
  const { schemas } = z.toJSONSchema(registry, {
    io: direction,
    uri: (id) => `${components}${id}`,
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _dialect, $id: _uri, ...schema }]) => [
      id,
      schema,
    ]),
  );
}
