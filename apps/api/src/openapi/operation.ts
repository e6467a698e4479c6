import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { sendJson } from '../http/exchange.ts';

/** A schema under the name that the document gives it. */
export interface Named<S extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly schema: S;
}

/** What the OpenAPI document says of one route under `/shoal/v1`. */
export interface Operation {
  /** One line, without full stop. */
  readonly summary: string;
  /** What the path's parameters are, by name. */
  readonly path?: Readonly<Record<string, string>>;
  /** Its properties are optional texts. */
  readonly query?: z.ZodObject;
  readonly body?: Named;
  /** JSON, or text of the media type. */
  readonly answer: Named | { readonly mediaType: string };
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route under `/shoal/v1` has one. */
    operation?: Operation;
  }
}

/** The operation of a route whose answer is of the schema. */
export interface Answering<S extends z.ZodType> extends Operation {
  readonly answer: Named<S>;
}

/** Gives the operation its type: what is sent is held against the schema when compiled. */
export function answering<S extends z.ZodType>(operation: Answering<S>): Answering<S> {
  return operation;
}

/** Sends what the operation promises. */
export function sendAnswer<S extends z.ZodType>(
  reply: FastifyReply,
  _operation: Answering<S>,
  answer: z.output<S>,
): FastifyReply {
  return sendJson(reply, 200, answer);
}
