import { Metadata } from '@grpc/grpc-js';
import { ApiError, resolveNetwork } from '@shoal/docker-api';
import { channelCredentials, channelOptions, type Identity } from '@shoal/pki';
import { DispatcherClient, type NodeDrift, type NodePaths } from '@shoal/proto';
import { type Clock, errorMessage } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { managerToRead } from '../cluster/access.ts';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { jsonBody, queryOf } from '../http/exchange.ts';
import { drift, reachability } from '../openapi/answers/networks.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';

/** How long hosts try to reach each other unless the user says otherwise, milliseconds. */
const tryMsDefault = 2_000;
const tryMsMax = 10_000;
/** Longest wait for a dispatcher, beside the time that hosts try; milliseconds. */
const answerMsMax = 10_000;

const checkRequest = z.strictObject({
  timeoutMs: z.int().min(100).max(tryMsMax).default(tryMsDefault),
});

const verified = answering({
  summary: 'What each host serves of each network, beside what the log implies',
  query: z.object({ network: z.string().optional().describe('This network alone.') }),
  answer: { name: 'NetworkDrift', schema: drift },
});
const checked = answering({
  summary: 'Has all hosts try every path to each other',
  body: { name: 'NetworkCheck', schema: checkRequest },
  answer: { name: 'NetworkPaths', schema: reachability },
});

/** What one dispatcher knows of the nodes whose sessions it holds. */
export interface NetworkSource {
  verify(identity: Identity, address: string, networkId: string): Promise<readonly NodeDrift[]>;
  check(identity: Identity, address: string, timeoutMs: number): Promise<readonly NodePaths[]>;
}

/** Drift and reachability of the overlay networks, from all dispatchers together. */
export function shoalNetRoutes(
  app: FastifyInstance,
  context: ApiContext,
  source: NetworkSource = dispatcherSource(context.clock),
): void {
  app.get('/shoal/v1/net/verify', { config: { operation: verified } }, async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const { view } = manager.replica;
    const { network = '' } = queryOf(request);
    const id = network === '' ? '' : resolveNetwork(view, network).id;
    const { answers, gaps } = await askAll(manager, (identity, address) =>
      source.verify(identity, address, id),
    );
    return sendAnswer(reply, verified, driftReport(manager.replica.view, answers, gaps));
  });
  app.post('/shoal/v1/net/check', { config: { operation: checked } }, async (request, reply) => {
    const parsed = checkRequest.safeParse(jsonBody(request) ?? {});
    if (!parsed.success) throw new ApiError(400, z.prettifyError(parsed.error));
    const manager = await managerToRead(context, reply);
    const { answers, gaps } = await askAll(manager, (identity, address) =>
      source.check(identity, address, parsed.data.timeoutMs),
    );
    return sendAnswer(reply, checked, matrixReport(manager.replica.view, answers, gaps));
  });
}

/** Asks every dispatcher; of those that do not answer a gap tells. */
async function askAll<T>(
  { identity, replica }: Manager,
  ask: (identity: Identity, address: string) => Promise<readonly T[]>,
): Promise<{ readonly answers: readonly T[]; readonly gaps: readonly string[] }> {
  const dispatchers = [...replica.view.leases.byStage('dispatcher')];
  const gaps: string[] = [];
  const answers = await Promise.all(
    dispatchers.map(async ({ id, address }) => {
      try {
        return await ask(identity, address);
      } catch (error) {
        gaps.push(`${id} did not answer: ${errorMessage(error)}`);
        return [];
      }
    }),
  );
  return { answers: answers.flat(), gaps };
}

type Verdict = 'ok' | 'differs' | 'unknown';

function verdict(served: string, implied: string): Verdict {
  if (served === '') return 'unknown';
  return served === implied ? 'ok' : 'differs';
}

/** Per network and host: does each consumer serve what the log implies? */
function driftReport(
  view: StateView,
  nodes: readonly NodeDrift[],
  gaps: readonly string[],
): z.output<typeof drift> {
  const rows = nodes.flatMap(({ nodeId, networks }) =>
    networks.map(({ networkId, served, implied, differsMs, repairs }) => ({
      Network: { ID: networkId, Name: view.networks.get(networkId)?.spec.Name ?? networkId },
      Host: hostOf(view, nodeId),
      Names: verdict(served?.names ?? '', implied?.names ?? ''),
      Balancer: verdict(served?.balancer ?? '', implied?.balancer ?? ''),
      Peers: verdict(served?.peers ?? '', implied?.peers ?? ''),
      DiffersMs: differsMs,
      Repairs: repairs,
      Problems: served?.problems ?? [],
    })),
  );
  const seen = new Set(nodes.map(({ nodeId }) => nodeId));
  const key = (row: (typeof rows)[number]): string => `${row.Network.Name} ${row.Host.Hostname}`;
  return {
    Hosts: rows.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    Gaps: [...gaps, ...missingHosts(view, seen, 'nothing is known of it')],
  };
}

/** Every pair of hosts and every path between them. */
function matrixReport(
  view: StateView,
  nodes: readonly NodePaths[],
  gaps: readonly string[],
): z.output<typeof reachability> {
  const pairs = nodes.flatMap(({ nodeId, results }) =>
    results.map(({ nodeId: to, path, ok, cause }) => ({
      From: hostOf(view, nodeId),
      To: hostOf(view, to),
      Path: path,
      OK: ok,
      Cause: cause,
    })),
  );
  const silent = nodes.filter((each) => each.silent).map(({ nodeId }) => hostOf(view, nodeId));
  const key = (pair: (typeof pairs)[number]): string =>
    `${pair.From.Hostname} ${pair.To.Hostname} ${pair.Path}`;
  return {
    Pairs: pairs.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    Gaps: [
      ...gaps,
      ...silent.map(({ Hostname }) => `${Hostname} did not answer in time`),
      ...missingHosts(view, new Set(nodes.map(({ nodeId }) => nodeId)), 'it could try no path'),
    ],
  };
}

function hostOf(
  view: StateView,
  nodeId: string,
): { readonly ID: string; readonly Hostname: string } {
  return { ID: nodeId, Hostname: view.nodes.get(nodeId)?.description?.Hostname ?? nodeId };
}

/** Hosts that have no session, and what that means for the answer. */
function missingHosts(
  view: StateView,
  seen: ReadonlySet<string>,
  meaning: string,
): readonly string[] {
  return [...view.nodes.values()]
    .filter(({ id }) => !seen.has(id))
    .map(({ id, status }) => `${hostOf(view, id).Hostname} is ${status.state}: ${meaning}`);
}

/** Asks dispatchers over mutual TLS; a connection lives as long as its call. */
function dispatcherSource(clock: Clock): NetworkSource {
  const options = (ms: number) => ({ deadline: clock.now() + answerMsMax + ms });
  const withClient = async <T>(
    identity: Identity,
    address: string,
    call: (client: DispatcherClient) => Promise<T>,
  ): Promise<T> => {
    const credentials = channelCredentials(identity);
    const client = new DispatcherClient(address, credentials, channelOptions('manager'));
    try {
      return await call(client);
    } finally {
      client.close();
    }
  };
  return {
    verify: (identity, address, networkId) =>
      withClient(
        identity,
        address,
        (client) =>
          new Promise((resolve, reject) => {
            client.verifyNetworks({ networkId }, new Metadata(), options(0), (error, answer) =>
              error === null ? resolve(answer.nodes) : reject(error),
            );
          }),
      ),
    check: (identity, address, timeoutMs) =>
      withClient(
        identity,
        address,
        (client) =>
          new Promise((resolve, reject) => {
            const given = options(timeoutMs);
            client.checkNetworks({ timeoutMs }, new Metadata(), given, (error, answer) =>
              error === null ? resolve(answer.nodes) : reject(error),
            );
          }),
      ),
  };
}
