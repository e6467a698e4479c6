import {
  apiErrors,
  checkTemplatingVersion,
  configShape,
  type DocumentKind,
  type DocumentRequest,
  documentFilter,
  filterKeys,
  invalidArgument,
  parseDocument,
  parseFilters,
  parseNewDocument,
  resolveDocument,
  secretShape,
} from '@shoal/docker-api';
import { seal } from '@shoal/pki';
import { type LogIndex, newId } from '@shoal/runtime';
import {
  type Change,
  type Config,
  documentUsers,
  newMeta,
  type Secret,
  type StateView,
} from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import { openSealedBytes, sealedPlaces } from '../cluster/sealed.ts';
import type { Manager } from '../cluster/standing.ts';
import { commit, refusalError, write, writeNewest } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import {
  arrivalOf,
  jsonBody,
  queryOf,
  refOf,
  sendEmpty,
  sendJson,
  versionOf,
} from '../http/exchange.ts';
import {
  checkVersionLabels,
  documentUpdate,
  isSecret,
  replaced,
  takesContent,
} from './document-versions.ts';

/** Secrets and configs: what tasks are given to read. A secret's content comes in here and never out. */
export function documentRoutes(app: FastifyInstance, context: ApiContext): void {
  for (const kind of ['secret', 'config'] as const) {
    readRoutes(app, context, kind);
    writeRoutes(app, context, kind);
  }
}

function readRoutes(app: FastifyInstance, context: ApiContext, kind: DocumentKind): void {
  app.get(`/${kind}s`, async (request, reply) => {
    const { replica } = await managerToRead(context, reply);
    const filters = parseFilters(queryOf(request)['filters'], filterKeys[`${kind}s`]);
    const shown = [...allOf(replica.view, kind)].filter(documentFilter(filters));
    return sendJson(reply, 200, shown.map(shapeOf));
  });
  app.get(`/${kind}s/:ref`, async (request, reply) => {
    const { replica } = await managerToRead(context, reply);
    const found = resolveDocument(replica.view, kind, refOf(request));
    return sendJson(reply, 200, shapeOf(found));
  });
}

function writeRoutes(app: FastifyInstance, context: ApiContext, kind: DocumentKind): void {
  app.post(`/${kind}s/create`, async (request, reply) => {
    const body = jsonBody(request);
    checkTemplatingVersion(kind, body, arrivalOf(request).version);
    const manager = await managerToWrite(context);
    const asked = parseNewDocument(kind, body);
    const { Name, Labels } = asked.spec;
    checkVersionLabels(Labels);
    const { [`${kind}s` as const]: known } = manager.replica.view;
    // The log refuses the same name alone; Swarm refuses also those that differ in case.
    if (known.byNameAnyCase(Name) !== undefined) throw apiErrors.documentExists(kind, Name);
    const id = newId(context.random);
    const change = creation(context, manager, kind, { id, asked });
    const refusal = await commit(context, manager, callerOf(request, `docker ${kind} create`), [
      change,
    ]);
    if (refusal?.kind === 'name-conflict') throw apiErrors.documentExists(kind, Name);
    if (refusal !== undefined) throw refusalError(refusal);
    return sendJson(reply, 201, { ID: id });
  });
  app.post(`/${kind}s/:ref/update`, async (request, reply) => {
    const body = jsonBody(request);
    const version = versionOf(request, kind);
    const manager = await managerToWrite(context);
    const asked = parseDocument(kind, body);
    const { view } = manager.replica;
    const found = resolveDocument(view, kind, refOf(request));
    const { Labels } = asked.spec;
    checkVersionLabels(Labels);
    const caller = callerOf(request, `docker ${kind} update`);
    if (isSame(manager, found, asked)) {
      await write(context, manager, caller, [relabelled(found, Labels, version)]);
    } else {
      if (asked.spec.Name !== found.spec.Name || !takesContent(found, Labels))
        throw invalidArgument('only updates to Labels are allowed');
      const newest = { id: newId(context.random), asked: parseNewDocument(kind, body) };
      await write(context, manager, caller, [
        ...replaced(view, kind, found, version),
        creation(context, manager, kind, newest),
      ]);
    }
    return sendEmpty(reply);
  });
  app.delete(`/${kind}s/:ref`, async (request, reply) => {
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const { id } = resolveDocument(view, kind, refOf(request));
    await writeNewest(context, manager, callerOf(request, `docker ${kind} rm`), () => {
      const found = resolveDocument(view, kind, id);
      const users = documentUsers(view, kind, id).map(({ name }) => name);
      if (users.length > 0) throw apiErrors.documentInUse(kind, found.spec.Name, users);
      return [{ op: 'delete', table: kind, id, version: found.meta.version }];
    });
    return sendEmpty(reply, 204);
  });
}

function allOf(view: StateView, kind: DocumentKind): Iterable<Secret | Config> {
  return kind === 'secret' ? view.secrets.values() : view.configs.values();
}

function shapeOf(document: Secret | Config) {
  return isSecret(document) ? secretShape(document) : configShape(document);
}

function creation(
  { random }: Pick<ApiContext, 'random'>,
  { sealKey }: Manager,
  kind: DocumentKind,
  { id, asked }: { readonly id: string; readonly asked: DocumentRequest },
): Change {
  const { spec } = asked;
  if (kind === 'config') {
    const object: Config = { id, meta: newMeta, spec, data: asked.data.toString('base64') };
    return { op: 'create', table: 'config', object };
  }
  const data = seal(sealKey, asked.data, sealedPlaces.secret(id), random);
  return { op: 'create', table: 'secret', object: { id, meta: newMeta, spec, data } };
}

/** Whether nothing but labels differs; content that is left out is no difference. */
function isSame(
  { sealKey }: Manager,
  found: Secret | Config,
  { spec, data }: DocumentRequest,
): boolean {
  if (spec.Name !== found.spec.Name) return false;
  if (spec.Templating !== undefined && spec.Templating.Name !== found.spec.Templating?.Name)
    return false;
  if (data.length === 0) return true;
  const known = isSecret(found)
    ? openSealedBytes(sealKey, found.data, sealedPlaces.secret(found.id))
    : Buffer.from(found.data, 'base64');
  return known.equals(data);
}

function relabelled(
  found: Secret | Config,
  Labels: Secret['spec']['Labels'],
  version: LogIndex,
): Change {
  const spec = { ...found.spec, Labels };
  return documentUpdate({ ...found, meta: { ...found.meta, version }, spec });
}
