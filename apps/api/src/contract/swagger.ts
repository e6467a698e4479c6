import { existsSync, readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { contractsDir } from './recording.ts';

/** Versions of the API that there is a description of; 1.24 has one for people only. */
const described = [25, 30, 40, 41, 43, 44, 45, 46, 47, 48, 49, 50];

type Schema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly responses: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Description {
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export function isDescribed(): boolean {
  const isThere = existsSync(pathOf(50));
  if (!isThere) console.warn(`no swagger files at ${pathOf(50)}: their tests are skipped`);
  return isThere;
}

function pathOf(minor: number): string {
  return `${contractsDir}/engine-api/v1.${minor}.yaml`;
}

/** Where a description is wrong about its own version: the content of a config never was a list. */
const corrected: Readonly<Record<number, object>> = { 30: { ConfigSpec: { type: 'object' } } };

const read = new Map<number, Swagger>();

/** The description of a version; several versions may share one. */
export function swaggerOf(minor: number): Swagger {
  const nearest = described.findLast((each) => each <= minor) ?? described[0] ?? 0;
  const swagger = read.get(nearest) ?? new Swagger(nearest);
  read.set(nearest, swagger);
  return swagger;
}

/** What a version of the API says of answers. */
class Swagger {
  readonly minor: number;
  readonly #description: Description;
  readonly #ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  readonly #checks = new Map<string, ValidateFunction | undefined>();

  constructor(minor: number) {
    this.minor = minor;
    const text = joined(readFileSync(pathOf(this.minor), 'utf8'));
    this.#description = parse(text, { merge: true, maxAliasCount: -1 }) as Description;
    const definitions = Object.fromEntries(
      Object.entries(this.#description.definitions).map(([name, schema]) => [
        name,
        asGoSays(schema),
      ]),
    );
    this.#ajv.addSchema({ definitions: { ...definitions, ...corrected[this.minor] } }, 'docker');
  }

  /** What is wrong with the body of a refusal. */
  refusalFaults(body: unknown): readonly string[] {
    const check = this.#check('refusal', { $ref: '#/definitions/ErrorResponse' });
    const { message } = (body ?? {}) as { readonly message?: unknown };
    if (check?.(body) === true && typeof message === 'string' && message !== '') return [];
    return [`${JSON.stringify(body)} is no refusal`];
  }

  /** Whether the version has the operation. */
  knows(method: string, template: string): boolean {
    return this.#description.paths[template]?.[method.toLowerCase()] !== undefined;
  }

  /** What is wrong with an answer, a line each; none for a good one. */
  faults(method: string, template: string, status: number, body: unknown): readonly string[] {
    const operation = this.#description.paths[template]?.[method.toLowerCase()];
    if (operation === undefined) return [`${method} ${template} is not in 1.${this.minor}`];
    const response = operation.responses[String(status)] ?? operation.responses['default'];
    if (response === undefined) return [`${method} ${template}: status ${status} is not described`];
    const check = this.#check(`${method} ${template} ${status}`, response.schema);
    if (check === undefined || check(body)) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${method} ${template} ${status}: ${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  #check(key: string, schema: Schema | undefined): ValidateFunction | undefined {
    if (this.#checks.has(key)) return this.#checks.get(key);
    const check = schema === undefined ? undefined : this.#ajv.compile(asGoSays(schema));
    this.#checks.set(key, check);
    return check;
  }
}

/** Old files break quoted texts into lines that are not indented, which YAML does not allow. */
function joined(text: string): string {
  return text.replace(/: "[^"\n]*\n[^"]*"/g, (quoted) => quoted.replace(/\s*\n\s*/g, ' '));
}

const dropped = new Set([
  'example',
  'examples',
  'discriminator',
  'format',
  'default',
  'x-nullable',
]);

/**
 * The schema as Go's encoder follows it: lists, maps and pointers that are nil are written as null, and
 * an enum whose value was never set as the empty text.
 */
function asGoSays(schema: unknown): Schema {
  return walk(schema) as Schema;
}

function walk(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(walk);
  if (typeof node !== 'object' || node === null) return node;
  const { $ref, type, enum: values } = node as Readonly<Record<string, unknown>>;
  if (typeof $ref === 'string')
    return { anyOf: [{ $ref: $ref.replace('#/', 'docker#/') }, { type: 'null' }] };
  const kept = Object.entries(node).filter(([key]) => !dropped.has(key));
  const walked = Object.fromEntries(
    kept.map(([key, value]) => [key, key === 'properties' ? properties(value) : walk(value)]),
  );
  const types = nullable(type, node);
  if (Array.isArray(values))
    return { ...walked, type: types, enum: [...new Set([...values, '', null])] };
  return typeof type === 'string' ? { ...walked, type: types } : walked;
}

/** Members may be called as keywords are. */
function properties(value: unknown): unknown {
  return Object.fromEntries(
    Object.entries(value as object).map(([name, schema]) => [name, walk(schema)]),
  );
}

/** Texts, numbers and flags are null only where it is said. */
function nullable(type: unknown, node: object): unknown {
  const isPointer =
    type === 'array' || type === 'object' || Reflect.get(node, 'x-nullable') === true;
  return isPointer ? [type, 'null'] : type;
}
