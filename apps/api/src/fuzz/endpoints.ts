import { readFileSync } from 'node:fs';

/**
 * What a value of a request looks like: `s` a text, `i` a whole number, `n` a number, `b` a boolean, `a|b` one of
 * these texts; a list with the shape of its items; an object, in which `*` stands for any key.
 */
export type Shape = string | readonly [Shape] | { readonly [key: string]: Shape };

/** One operation of Docker's API that this process answers itself. */
export interface Endpoint {
  readonly method: string;
  /** With its parameter as `{id}`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: readonly string[];
  readonly body?: Shape;
}

export const tablePath = new URL('endpoints.json', import.meta.url);

/** The operations as the table that is kept here has them, so that none needs Docker's own description. */
export function endpoints(): readonly Endpoint[] {
  return JSON.parse(readFileSync(tablePath, 'utf8')) as readonly Endpoint[];
}

/** The table as it is kept: a line for each operation. */
export function tableText(all: readonly Endpoint[]): string {
  return `[\n${all.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`;
}
