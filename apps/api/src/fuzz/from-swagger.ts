import type { Endpoint, Shape } from './endpoints.ts';

interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
}

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly type?: string;
  readonly schema?: Schema;
}

/** Docker's description of its API, as far as it is read here. */
export interface Description {
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly parameters?: readonly Parameter[] }>>>
  >;
}

const depthMax = 9;
const scalars: Readonly<Record<string, string>> = { integer: 'i', number: 'n', boolean: 'b' };
const kinds: Readonly<Record<string, string>> = { integer: 'i', boolean: 'b' };

/** The operations below the given first parts of paths. */
export function endpointsOf(
  { paths, definitions }: Description,
  roots: ReadonlySet<string>,
): readonly Endpoint[] {
  return Object.entries(paths)
    .filter(([path]) => roots.has(path.split('/')[1] ?? ''))
    .flatMap(([path, item]) =>
      Object.entries(item).map(([method, { parameters = [] }]): Endpoint => {
        const named = (place: string) => parameters.filter((one) => one.in === place);
        const [body] = named('body');
        const query = named('query').map(({ name, type = '' }) => [name, kinds[type] ?? 's']);
        const headers = named('header').map(({ name }) => name);
        return {
          method: method.toUpperCase(),
          path,
          ...(body && { body: shapeOf(definitions, body.schema, 0, []) }),
          ...(query.length > 0 && { query: Object.fromEntries(query) }),
          ...(headers.length > 0 && { headers }),
        };
      }),
    );
}

function shapeOf(
  definitions: Description['definitions'],
  schema: Schema | undefined,
  depth: number,
  seen: readonly string[],
): Shape {
  if (schema === undefined) return 's';
  const inner = (one: Schema | undefined): Shape => shapeOf(definitions, one, depth + 1, seen);
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    if (seen.includes(name) || depth > depthMax) return 's';
    return shapeOf(definitions, definitions[name], depth, [...seen, name]);
  }
  if (schema.allOf !== undefined) {
    const parts = schema.allOf.map((part) => shapeOf(definitions, part, depth, seen));
    const merged = Object.assign({}, ...parts.filter((part) => typeof part === 'object'));
    return Object.keys(merged).length === 0 ? 's' : (merged as Shape);
  }
  if (schema.type === 'array') return [inner(schema.items)];
  if (schema.type === 'object' || schema.properties !== undefined) {
    const properties = Object.entries(schema.properties ?? {});
    if (properties.length > 0)
      return Object.fromEntries(properties.map(([name, one]) => [name, inner(one)]));
    const rest = schema.additionalProperties;
    return typeof rest === 'object' ? { '*': inner(rest) } : {};
  }
  return scalars[schema.type ?? ''] ?? (schema.enum?.join('|') || 's');
}
