import { z } from 'zod';
import { type HttpResult, httpOver } from '../host/http.ts';
import type { Json } from './json.ts';

export interface Answer {
  /** 0 when the connection broke off. */
  readonly status: number;
  /** Parsed, where it is JSON. */
  readonly body: unknown;
  /** The error's text, else all of the body. */
  readonly text: string;
}

const errorShape = z.object({ message: z.string() });
const apiVersion = '/v1.41';
const answerMsMax = 30_000;

/** One of the two that are compared, and what its objects are called there. */
export class Side {
  readonly #socket: string;
  readonly #ids = new Map<string, string>();

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Makes an object whose id stands for `name` in everything that is sent later. @throws when it is refused */
  async make(name: string, path: string, body: Json): Promise<void> {
    const answer = await this.call('POST', path, body);
    const id = idOf(answer);
    if (id === undefined) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    this.#ids.set(name, id);
  }

  /** Names of objects, written `<name>`, become their ids in path and body. */
  async call(method: string, path: string, body?: Json): Promise<Answer> {
    const sent = body === undefined ? undefined : this.#named(JSON.stringify(body));
    return this.send(method, path, sent);
  }

  /** A body as it is. */
  async send(method: string, path: string, body: string | undefined): Promise<Answer> {
    const call = { method, path: apiVersion + this.#named(path), body, timeoutMs: answerMsMax };
    const result = await httpOver(this.#socket, call).catch(() => undefined);
    return result === undefined
      ? { status: 0, body: undefined, text: 'the connection broke off' }
      : answerOf(result);
  }

  /** What is its own: ids become names again. */
  unnamed(text: string): string {
    let plain = text;
    for (const [name, id] of this.#ids) plain = plain.replaceAll(id, `<${name}>`);
    return plain;
  }

  #named(text: string): string {
    let sent = text;
    for (const [name, id] of this.#ids) sent = sent.replaceAll(`<${name}>`, id);
    return sent;
  }
}

export function idOf({ body }: Answer): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const id: unknown = Reflect.get(body, 'ID') ?? Reflect.get(body, 'Id');
  return typeof id === 'string' ? id : undefined;
}

function answerOf({ status, body: text }: HttpResult): Answer {
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  const refusal = errorShape.safeParse(body);
  return { status, body, text: refusal.success ? refusal.data.message : text };
}
