import type { Translation } from './translation.ts';

/** One place where an answer is another one than the recorded. */
export interface Difference {
  /** Such as `body.Spec.Labels`; elements of lists are `[]`. */
  readonly at: string;
  readonly recorded: unknown;
  readonly ours: unknown;
}

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
const zeroTime = '0001-01-01T00:00:00Z';

/** Values that differ from run to run, by their form; two of a kind count as equal. */
const kinds: readonly (readonly [string, RegExp])[] = [
  ['time', timeForm],
  ['swarm id', /^[0-9a-z]{25}$/],
  ['engine id', /^[0-9a-f]{64}$/],
  ['address', /^(?:\d{1,3}\.){3}\d{1,3}(?::\d+|\/\d+)?$/],
  ['hardware address', /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/],
  ['certificate', /^-----BEGIN CERTIFICATE-----\n[\s\S]+-----END CERTIFICATE-----\n$/],
  ['join token', /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/],
  ['unlock key', /^SWMKEY-1-[A-Za-z0-9+/]{43}$/],
  ['task name', /^[\w.-]+\.(?:\d+|[0-9a-z]{25})\.[0-9a-z]{25}$/],
  ['peer', /^(?=.*\d)[0-9a-z]{12}$/],
  ['generated name', /^[a-z]+_[a-z]+$/],
];

/** Members whose values differ from run to run whatever they look like. */
const chanceMembers = new Set([
  ...['CertIssuerPublicKey', 'CertIssuerSubject', 'EndpointID', 'vxlanid_list'],
]);
const chanceNumbers = new Set(['Index', 'PID', 'time', 'timeNano']);
/** Lists of texts whose order says nothing. */
const unordered = new Set(['NetworksDeleted']);

function kindOf(text: string): string | undefined {
  return kinds.find(([, form]) => form.test(text))?.[0];
}

/** Compares two JSON values field by field, and learns the ids of ours on the way. */
export function compare(
  translation: Translation,
  recorded: unknown,
  ours: unknown,
  at = 'body',
): Difference[] {
  if (Array.isArray(recorded) && Array.isArray(ours))
    return compareLists(translation, recorded, ours, at);
  if (isObject(recorded) && isObject(ours)) return compareObjects(translation, recorded, ours, at);
  return compareValues(translation, recorded, ours, at);
}

function compareValues(
  translation: Translation,
  recorded: unknown,
  ours: unknown,
  at: string,
): Difference[] {
  const difference: Difference[] = [{ at, recorded, ours }];
  const member = at.slice(at.lastIndexOf('.') + 1);
  if (typeof recorded === 'number' && typeof ours === 'number')
    return recorded === ours || chanceNumbers.has(member) ? [] : difference;
  if (typeof recorded !== 'string' || typeof ours !== 'string')
    return recorded === ours ? [] : difference;
  if (translation.text(recorded) === ours || chanceMembers.has(member)) return [];
  // The beginning of an id, which may be letters alone.
  if (/\.Peers\[\]\.Name$/.test(at)) return /^[0-9a-z]{12}$/.test(ours) ? [] : difference;
  const kind = kindOf(recorded);
  // Where a task lands is a matter of chance, too.
  if (
    kind === 'swarm id' &&
    kindOf(ours) === kind &&
    /\]?\.NodeID$/.test(at) &&
    !at.includes('Swarm')
  )
    return [];
  if (kind === undefined) return isSameSentence(translation, recorded, ours) ? [] : difference;
  if (kind !== kindOf(ours)) return difference;
  if (kind === 'time') return (recorded === zeroTime) === (ours === zeroTime) ? [] : difference;
  if (kind === 'join token' || kind === 'unlock key') translation.relearn(recorded, ours);
  return kind !== 'swarm id' || translation.learn(recorded, ours) ? [] : difference;
}

const idForm = /\b[0-9a-z]{25}\b/g;

/** Sentences that differ in the ids they name. */
function isSameSentence(translation: Translation, recorded: string, ours: string): boolean {
  if (translation.text(recorded).replace(idForm, '') !== ours.replace(idForm, '')) return false;
  const was = recorded.match(idForm) ?? [];
  const is = ours.match(idForm) ?? [];
  return was.every((id, at) => translation.learn(id, is[at] ?? ''));
}

function compareObjects(
  translation: Translation,
  recorded: Readonly<Record<string, unknown>>,
  ours: Readonly<Record<string, unknown>>,
  at: string,
): Difference[] {
  const differences: Difference[] = [];
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(recorded)) {
    const translated = translation.text(key);
    seen.add(translated);
    if (Object.hasOwn(ours, translated))
      differences.push(...compare(translation, value, ours[translated], `${at}.${key}`));
    else differences.push({ at: `${at}.${key}`, recorded: value, ours: undefined });
  }
  for (const [key, value] of Object.entries(ours))
    if (!seen.has(key)) differences.push({ at: `${at}.${key}`, recorded: undefined, ours: value });
  learnVersion(translation, recorded, ours);
  return differences;
}

function learnVersion(
  translation: Translation,
  recorded: Readonly<Record<string, unknown>>,
  ours: Readonly<Record<string, unknown>>,
): void {
  const was = indexOf(recorded);
  const is = indexOf(ours);
  if (typeof ours['ID'] === 'string' && was !== undefined && is !== undefined)
    translation.learnVersion(ours['ID'], was, is);
}

export function indexOf(object: Readonly<Record<string, unknown>>): number | undefined {
  const version = object['Version'] as { readonly Index?: number } | undefined;
  return version?.Index;
}

function compareLists(
  translation: Translation,
  recorded: readonly unknown[],
  ours: readonly unknown[],
  at: string,
): Difference[] {
  if (unordered.has(at.slice(at.lastIndexOf('.') + 1)))
    return compareOrdered(translation, [...recorded].sort(), [...ours].sort(), at);
  return compareOrdered(translation, recorded, ours, at);
}

function compareOrdered(
  translation: Translation,
  recorded: readonly unknown[],
  ours: readonly unknown[],
  at: string,
): Difference[] {
  const differences: Difference[] = [];
  const left = sorted(ours).map((each, place) => ({ each, keys: keysOf(each, place, (id) => id) }));
  for (const [place, each] of sorted(recorded).entries()) {
    const keys = keysOf(each, place, (id) => translation.text(id));
    const found = keys
      .map((key) => left.findIndex((other) => other.keys.includes(key)))
      .find((index) => index >= 0);
    const [partner] = found === undefined ? [] : left.splice(found, 1);
    if (partner === undefined) differences.push({ at: `${at}[]`, recorded: each, ours: undefined });
    else differences.push(...compare(translation, each, partner.each, `${at}[]`));
  }
  for (const { each } of left) differences.push({ at: `${at}[]`, recorded: undefined, ours: each });
  return differences;
}

/**
 * Of several alike the newest first, so that those of one slot meet their like. Go drops the zeros that end a
 * fraction of a second: with its `Z`, 7.14Z would be later than 7.148Z.
 */
function sorted(list: readonly unknown[]): readonly unknown[] {
  const createdAt = (each: unknown): string =>
    isObject(each) && typeof each['CreatedAt'] === 'string' ? each['CreatedAt'].slice(0, -1) : '';
  return [...list].sort((a, b) =>
    createdAt(a) < createdAt(b) ? 1 : createdAt(a) > createdAt(b) ? -1 : 0,
  );
}

/** What an element of a list is known by, the surest first: its id, its name, the place it has. */
function keysOf(element: unknown, place: number, translated: (id: string) => string): string[] {
  if (!isObject(element)) return [`at ${place}`];
  const { Slot, ServiceID, NodeID, Spec, Description, Name } = element as Readonly<{
    Slot?: number;
    ServiceID?: string;
    NodeID?: string;
    Spec?: { readonly Name?: string };
    Description?: { readonly Hostname?: string };
    Name?: string;
  }>;
  if ('Addr' in element && typeof NodeID === 'string') return [translated(NodeID)];
  // A slot has many tasks in turn.
  if (typeof ServiceID === 'string')
    return [`${translated(ServiceID)}.${Slot ?? translated(NodeID ?? '')}`];
  const id = element['ID'] ?? element['Id'];
  if (typeof id !== 'string') return [`at ${place}`];
  const name = Spec?.Name ?? Description?.Hostname ?? Name ?? '';
  return name === '' ? [translated(id)] : [translated(id), `called ${name}`];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
