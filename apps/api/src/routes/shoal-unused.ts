import { rfc3339Nano } from '@shoal/docker-api';
import { type Config, type Secret, unusedDocuments } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { unused } from '../openapi/answers/unused.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';

const shown = answering({
  summary: 'Secrets and configs that no service needs, nor a revision that one could go back to',
  answer: { name: 'Unused', schema: unused },
});

/** What could go. Docker's own calls remove it. */
export function shoalUnusedRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/shoal/v1/unused', { config: { operation: shown } }, async (_request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    const { secrets, configs } = unusedDocuments(view);
    return sendAnswer(reply, shown, {
      Secrets: secrets.map(documentShape),
      Configs: configs.map(documentShape),
    });
  });
}

function documentShape({ id, meta, spec }: Secret | Config) {
  const { Name, Labels } = spec;
  return { ID: id, Name, CreatedAt: rfc3339Nano(meta.createdAt), Labels: { ...Labels } };
}
