import { compare, type Difference } from './compare.ts';
import { bytesOf } from './fake-engine.ts';
import { FakeFleet } from './fake-fleet.ts';
import type { Reply } from './fleet-hosts.ts';
import { Graft } from './graft.ts';
import { type Exchange, type RecordingName, readRecording, unversioned } from './recording.ts';
import { leftOut, stagings } from './session.ts';
import { Translation } from './translation.ts';

/** A difference, and where in the session it showed. */
export interface Finding extends Difference {
  readonly n: number;
  readonly step: string;
  /** Method and path with its ids and values left out. */
  readonly route: string;
}

export interface Replayed {
  readonly exchanges: number;
  readonly findings: readonly Finding[];
}

/** Headers that tell of the connection or the moment. */
const passingHeaders = new Set([
  ...['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'],
  ...['x-shoal-stale'],
]);

/** Its own answers come while the root still rotates; those after it are of hosts that had done so. */
const rotating = 'swarm-ca-rotate';

/** Sends what was recorded, in its order, to hosts of ours, and compares the answers. */
export async function replay(name: RecordingName): Promise<Replayed> {
  const recording = readRecording(name);
  const fleet = new FakeFleet(recording);
  const translation = new Translation((address) => fleet.address(address));
  const graft = new Graft(fleet, translation, recording);
  const findings: Finding[] = [];
  let exchanges = 0;
  try {
    await fleet.start(recording);
    const staged = new Set<string>();
    for (const exchange of recording) {
      await fleet.passTo(exchange.t);
      const staging = staged.has(exchange.step) ? undefined : stagings[exchange.step];
      staged.add(exchange.step);
      if (exchange.step !== rotating) await fleet.rotated();
      await staging?.(fleet);
      if (leftOut(name, exchange) !== undefined) continue;
      const route = `${exchange.req.method} ${routeOf(exchange.req.path)}`;
      const { n, step } = exchange;
      for (const ours of await graft.prepare(exchange))
        findings.push({ n, step, route, at: 'what was held back', recorded: undefined, ours });
      const path = pathOf(exchange, translation, fleet.clusterId());
      const reply = await fleet.send(exchange, path, bodyOf(exchange, translation));
      exchanges += 1;
      const meaning = isOfEngine(route) ? untranslated : translation;
      for (const difference of judged(exchange, reply, meaning))
        findings.push({ n, step, route, ...difference });
      graft.saw(exchange, reply);
      if (route === 'POST /nodes/{}/update' && reply.status === 200) await fleet.takeRoles();
    }
  } finally {
    await fleet.close();
  }
  return { exchanges, findings };
}

/** What the engine answers goes through as it is. */
const untranslated = new Translation((address) => address);

function isOfEngine(route: string): boolean {
  return /^\w+ \/(?:auth|build|containers|exec|images|plugins|volumes|distribution)/.test(route);
}

/** The recorded path with ours for its ids, versions and times. */
function pathOf(
  { req, res }: Exchange,
  translation: Translation,
  clusterId: string | undefined,
): string {
  const [path = '', query] = req.path.split('?');
  const translated = translation.text(path);
  if (query === undefined) return translated;
  const id = /\/(?:services|nodes|secrets|configs)\/([^/]+)\/update$/.exec(translated)?.[1];
  const subject = id ?? (path.endsWith('/swarm/update') ? clusterId : undefined);
  const values = query.split('&').map((pair) => {
    const [key = '', value = ''] = pair.split('=');
    if (key === 'version' && subject !== undefined && res.status < 400)
      return `version=${translation.version(subject, Number(value)) ?? value}`;
    if (key === 'since') return 'since=1';
    if (key === 'until') return `until=${Math.floor(Date.now() / 1_000) + 1}`;
    return `${key}=${encodeURIComponent(translation.text(decodeURIComponent(value)))}`;
  });
  return `${translated}?${values.join('&')}`;
}

function bodyOf({ req }: Exchange, translation: Translation): Buffer {
  const { body } = req;
  if (body === undefined) return Buffer.alloc(0);
  if (body.json === undefined) return bytesOf(body);
  return bytesOf({ json: translation.value(body.json) });
}

function judged(exchange: Exchange, reply: Reply, translation: Translation): readonly Difference[] {
  const { res } = exchange;
  const differences: Difference[] = [];
  if (res.status !== reply.status)
    return [
      { at: `status`, recorded: [res.status, res.body?.json], ours: [reply.status, reply.text] },
    ];
  differences.push(...headerDifferences(exchange, reply));
  const { json, ndjson, text } = res.body ?? {};
  if (json !== undefined) differences.push(...compareJson(translation, json, reply.text));
  else if (text !== undefined && text !== reply.text)
    differences.push({ at: 'body', recorded: text, ours: reply.text });
  else if (ndjson !== undefined) differences.push(...eventDifferences(ndjson, reply.text));
  return differences;
}

function compareJson(translation: Translation, json: unknown, text: string): readonly Difference[] {
  let ours: unknown;
  try {
    ours = JSON.parse(text);
  } catch {
    return [{ at: 'body', recorded: json, ours: text }];
  }
  return compare(translation, json, ours);
}

function headerDifferences({ res }: Exchange, { headers }: Reply): readonly Difference[] {
  const names = new Set([...Object.keys(res.headers), ...Object.keys(headers)]);
  return [...names].flatMap((name): Difference[] => {
    if (passingHeaders.has(name) || res.headers[name] === headers[name]) return [];
    return [{ at: `header ${name}`, recorded: res.headers[name], ours: headers[name] }];
  });
}

/** Events by kind: which exist, and with which attributes. When each came is another matter. */
function eventDifferences(recorded: readonly unknown[], text: string): readonly Difference[] {
  const swarm = (events: readonly unknown[]) =>
    (events as readonly RecordedEvent[]).filter(({ scope }) => scope === 'swarm');
  const was = eventKinds(swarm(recorded));
  const is = eventKinds(
    swarm(
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    ),
  );
  return [...was].flatMap(([kind, attributes]): Difference[] => {
    const ours = is.get(kind);
    if (ours === undefined) return [{ at: `event ${kind}`, recorded: attributes, ours }];
    const missing = attributes.filter((name) => !ours.includes(name));
    return missing.map((name) => ({
      at: `event ${kind} ${name}`,
      recorded: name,
      ours: undefined,
    }));
  });
}

interface RecordedEvent {
  readonly Type: string;
  readonly Action: string;
  readonly scope?: string;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

function eventKinds(events: readonly RecordedEvent[]): ReadonlyMap<string, readonly string[]> {
  const kinds = new Map<string, string[]>();
  for (const { Type, Action, Actor } of events) {
    const kind = `${Type} ${Action}`;
    kinds.set(kind, [...new Set([...(kinds.get(kind) ?? []), ...Object.keys(Actor.Attributes)])]);
  }
  return kinds;
}

function routeOf(path: string): string {
  const [pathOnly = ''] = unversioned(path).split('?');
  return pathOnly.replace(
    /^(\/(?:services|tasks|nodes|secrets|configs|networks|containers|images|volumes|exec|plugins|distribution))\/(?!create|prune|json$)(.+?)(\/(?:update|logs|json|connect|disconnect))?$/,
    '$1/{}$3',
  );
}
