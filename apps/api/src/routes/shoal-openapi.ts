import { invariant } from '@shoal/runtime';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { sendJson } from '../http/exchange.ts';
import { type DescribedRoute, openApiDocument } from '../openapi/document.ts';
import type { Operation } from '../openapi/operation.ts';

const own = '/shoal/v1/';

const operation: Operation = {
  summary: 'This document',
  answer: { name: 'OpenApi', schema: z.looseObject({ openapi: z.string() }) },
};

/** Describes every route under `/shoal/v1` that is registered from now on; a route must say what it is. */
export function shoalOpenApiRoutes(app: FastifyInstance): void {
  const routes: DescribedRoute[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    if (!url.startsWith(own)) return;
    const described = config?.operation;
    invariant(described !== undefined, 'a route that says nothing of itself', { url });
    for (const each of [method].flat()) routes.push({ method: each, url, operation: described });
  });
  let document: object | undefined;
  app.get(`${own}openapi.json`, { config: { operation } }, (_request, reply) => {
    document ??= openApiDocument(routes);
    return sendJson(reply, 200, document);
  });
}
