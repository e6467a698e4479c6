import { ApiError, rfc3339Nano } from '@shoal/docker-api';
import { fileSystem } from '@shoal/raft';
import { auditDirectory, readAudit, verifyAudit } from '@shoal/raft/audit';
import type { AuditedChange, AuditRecord, StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { queryOf } from '../http/exchange.ts';
import {
  audit,
  auditQuery,
  auditVerdict,
  recordsDefault,
  recordsMax,
} from '../openapi/answers/audit.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';

const shown = answering({
  summary: 'Who changed what, as far back as this manager keeps it',
  query: auditQuery,
  answer: { name: 'Audit', schema: audit },
});
const verified = answering({
  summary: 'Whether what this manager keeps of who changed what is as it was written',
  answer: { name: 'AuditVerdict', schema: auditVerdict },
});

/** Who changed what: from the files that this host's voter writes beside the log. */
export function shoalAuditRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/shoal/v1/audit', { config: { operation: shown } }, async (request, reply) => {
    const { since, until, name, limit } = questionOf(queryOf(request));
    const manager = await managerToRead(context, reply);
    const { view } = manager.replica;
    const found = await readAudit(fileSystem, await directoryOf(context, manager), {
      limit,
      over: ({ time }) => since !== undefined && time < since,
      wants: ({ time, changes }) =>
        (until === undefined || time < until) &&
        (name === undefined || changes.some((change) => concerns(change, name))),
    });
    return sendAnswer(reply, shown, {
      Records: found.records.map((record) => recordShape(view, record)),
      Gaps: found.gaps.map(({ after, through }) => ({ After: after, Through: through })),
    });
  });
  app.get(
    '/shoal/v1/audit/verify',
    { config: { operation: verified } },
    async (_request, reply) => {
      const manager = await managerToRead(context, reply);
      const verdict = await verifyAudit(fileSystem, await directoryOf(context, manager));
      if (verdict.kind === 'damaged') {
        const { kind: Kind, file: File, line: Line, message: Message } = verdict;
        return sendAnswer(reply, verified, { Kind, File, Line, Message });
      }
      const {
        kind: Kind,
        records: Records,
        after: After,
        through: Through,
        chain: Chain,
        aside: Aside,
      } = verdict;
      return sendAnswer(reply, verified, { Kind, Records, After, Through, Chain, Aside });
    },
  );
}

/** Where the files are, once they hold all that was acknowledged before. */
async function directoryOf({ dataDir }: ApiContext, manager: Manager): Promise<string> {
  await manager.flushAudit();
  return auditDirectory(dataDir, manager.identity.clusterId);
}

interface Question {
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly name: string | undefined;
  readonly limit: number;
}

/** @throws ApiError 400 naming what cannot be read. */
function questionOf(query: Readonly<Record<string, string | undefined>>): Question {
  const parsed = auditQuery.safeParse(query);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = String(issue?.path[0] ?? 'query');
    throw new ApiError(
      400,
      field === 'limit'
        ? `limit is a whole number from 1 to ${recordsMax}, not ${query[field]}`
        : `${field} is a time such as 2026-11-23T14:00:00Z, not ${query[field]}`,
    );
  }
  const { since, until, name, limit } = parsed.data;
  const wanted = limit === undefined ? recordsDefault : Number(limit);
  if (wanted > recordsMax)
    throw new ApiError(400, `limit is a whole number from 1 to ${recordsMax}, not ${limit}`);
  return { since: timeOf(since), until: timeOf(until), name, limit: wanted };
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}

function concerns({ id, name }: AuditedChange, asked: string): boolean {
  return name === asked || (asked !== '' && id.startsWith(asked));
}

function recordShape(view: StateView, record: AuditRecord) {
  const { index, time, actor, reason, changes, leftOut } = record;
  const { kind, name, client, node } = actor;
  return {
    Index: index,
    Time: rfc3339Nano(time),
    Actor: {
      Kind: kind,
      Name: name,
      ...(client === undefined ? {} : { Client: client }),
      ...(node === undefined ? {} : { Node: { ID: node, Hostname: hostnameOf(view, node) } }),
    },
    Reason: reason,
    Changes: changes.map(({ op, table, id, name: called, fields = [] }) => ({
      Op: op,
      Kind: table,
      ID: id,
      // Who joins is not known by name yet.
      Name: called === '' && table === 'node' ? hostnameOf(view, id) : called,
      Fields: fields.map(({ path, from, to }) => ({ Path: path, From: from, To: to })),
    })),
    LeftOut: leftOut ?? 0,
  };
}

/** Empty for a node that is gone. */
function hostnameOf(view: StateView, nodeId: string): string {
  return view.nodes.get(nodeId)?.description?.Hostname ?? '';
}
