import { existsSync, readFileSync } from 'node:fs';
import type { ServiceSpec } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { ApiError } from './errors.ts';
import { parseJson } from './json.ts';
import { parseNodeSpec } from './requests/node-spec.ts';
import {
  parseSwarmInit,
  parseSwarmJoin,
  parseSwarmUnlock,
  parseSwarmUpdate,
} from './requests/swarm.ts';
import { parseServiceSpec } from './service/parse.ts';
import { validateServiceSpec } from './service/validate.ts';
import { serviceSpecShape } from './shapes/service-spec.ts';
import { maxVersion } from './version.ts';

const path = new URL('../../../../shared/contracts/recordings/http-1.50.jsonl', import.meta.url);
const isThere = existsSync(path);
if (!isThere) console.warn(`recordings are not at ${path.pathname}: their tests are skipped`);

interface Exchange {
  readonly step: string;
  readonly req: {
    readonly method: string;
    readonly path: string;
    readonly body?: { readonly json?: unknown; readonly text?: string };
  };
  readonly res: { readonly status: number; readonly body?: { readonly json?: unknown } };
}

const exchanges: readonly Exchange[] = isThere
  ? readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Exchange)
  : [];

const posts = (form: RegExp): readonly Exchange[] =>
  exchanges.filter(({ req }) => req.method === 'POST' && form.test(req.path));
const messageOf = ({ res }: Exchange): unknown =>
  (res.body?.json as { readonly message?: unknown } | undefined)?.message;

/** Refusals that need more than the request: a swarm, other services, networks, another leader. */
const needsMore =
  /not a swarm manager|already part of|name conflicts|already in use|leader|network nope|out of sequence|not found$|previous spec|join token|dial tcp|not locked|invalid key|renaming|mode change|last manager|invalid (?:service|node|swarm) version|address must be|unsupported Content-Type/;

function outcome(work: () => void): { status: number; message: string } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { status: error.status, message: error.message };
  }
}

function expected(exchange: Exchange): { status: number; message: unknown } | undefined {
  const message = messageOf(exchange);
  return exchange.res.status < 300 ? undefined : { status: exchange.res.status, message };
}

function judged(form: RegExp): readonly Exchange[] {
  return posts(form).filter((exchange) => !needsMore.test(String(messageOf(exchange) ?? '')));
}

const bodyOf = ({ req }: Exchange): unknown => req.body?.json ?? parseJson(req.body?.text ?? '');

/** The secrets and configs that the recorded engine had, by id. */
function namesById({ TaskTemplate }: ServiceSpec): ReadonlyMap<string, string> {
  const { Secrets = [], Configs = [] } = TaskTemplate.ContainerSpec;
  return new Map([
    ...Secrets.map(({ SecretID, SecretName }) => [SecretID, SecretName] as const),
    ...Configs.map(({ ConfigID, ConfigName }) => [ConfigID, ConfigName] as const),
  ]);
}

describe.skipIf(!isThere)('the recorded requests are judged as the engine judged them', () => {
  test('services/create', () => {
    const all = judged(/\/services\/create$/);
    expect(all.length).toBeGreaterThan(30);
    for (const exchange of all) {
      const result = outcome(() => {
        const parsed = parseServiceSpec(bodyOf(exchange), maxVersion);
        const spec = { ...parsed.spec, Name: parsed.spec.Name || 'named_later' };
        // What the recorded engine had and this cluster has not: secrets, configs, an ingress network.
        const documents = exchange.res.status === 201 ? namesById(spec) : new Map<string, string>();
        const surroundings = {
          documentName: (_kind: string, id: string) => documents.get(id),
          ingress: { id: 'ingress', name: 'ingress' },
          published: [],
        };
        validateServiceSpec({ spec }, surroundings);
      });
      expect({ step: exchange.step, result }).toEqual({
        step: exchange.step,
        result: expected(exchange),
      });
    }
  });

  test('swarm/init, update, join and unlock, nodes/update', () => {
    for (const [form, work] of [
      [/\/swarm\/init$/, parseSwarmInit],
      [/\/swarm\/update/, parseSwarmUpdate],
      [/\/swarm\/join$/, parseSwarmJoin],
      [/\/swarm\/unlock$/, parseSwarmUnlock],
      [/\/nodes\/[^/]+\/update/, parseNodeSpec],
    ] as const) {
      const all = judged(form);
      expect(all.length).toBeGreaterThan(0);
      for (const exchange of all)
        expect({ step: exchange.step, result: outcome(() => work(bodyOf(exchange))) }).toEqual({
          step: exchange.step,
          result: expected(exchange),
        });
    }
  });

  test('a spec that was read, sent back and read again is the same', () => {
    const specs = exchanges
      .filter(
        ({ req, res }) =>
          /\/services\/[^/?]+\?insertDefaults=false$/.test(req.path) && res.status === 200,
      )
      .map(({ res }) => {
        const service = res.body?.json as { readonly Spec: unknown } | undefined;
        return service?.Spec;
      })
      .filter((spec) => !JSON.stringify(spec).match(/"Secrets"|"Configs"|"PluginSpec"/));
    expect(specs.length).toBeGreaterThan(50);
    for (const spec of specs) {
      const { spec: stored } = parseServiceSpec(spec, maxVersion);
      expect(JSON.parse(JSON.stringify(serviceSpecShape(stored, false)))).toEqual(spec);
    }
  });
});
