import type { Chance } from './chance.ts';
import type { Shape } from './endpoints.ts';

type Fields = Readonly<Record<string, Shape>>;

/** What is in the swarm that a request may name. */
export interface Known {
  readonly names: readonly string[];
  /** By id and name. */
  readonly versions: ReadonlyMap<string, number>;
}

/** Texts that have made trouble for somebody before. */
const oddTexts = [
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\u202e\u2028é💥',
  '../../etc/passwd',
  '{{.Task.Slot}}',
  '{{',
  '{{range .Node}}{{end}}',
  "';--",
  '%s%n',
  '%00',
  '-1',
  '1e999',
  '0x10',
  'NaN',
  'null',
  '__proto__',
  'constructor',
  'a'.repeat(300),
  'x'.repeat(70_000),
  'node.labels.a==b',
  'node.id!=',
  '10.0.0.0/8',
  '300.1.1.1/33',
  'fe80::1/64',
  '99999999999999999999',
  'busybox@sha256:zz',
  '\n',
];
const oddNumbers = [
  0,
  -0,
  -1,
  1,
  2,
  7,
  80,
  65_535,
  65_536,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  2 ** 64,
  1e308,
  0.5,
  1e-9,
  10_000_000_000,
];
/** Values that pass, by the name of the field. */
const goodTexts: Readonly<Record<string, readonly string[]>> = {
  Image: ['busybox', 'busybox:latest', `nginx@sha256:${'a'.repeat(64)}`],
  Condition: ['none', 'on-failure', 'any'],
  FailureAction: ['pause', 'continue', 'rollback'],
  Order: ['stop-first', 'start-first'],
  Mode: ['vip', 'dnsrr'],
  Protocol: ['tcp', 'udp', 'sctp'],
  PublishMode: ['ingress', 'host'],
  Type: ['bind', 'volume', 'tmpfs'],
  Driver: ['overlay', 'bridge', 'host'],
  Scope: ['swarm', 'local', 'global'],
  Subnet: ['10.77.0.0/24', 'fd00::/64'],
  Gateway: ['10.77.0.1'],
  Data: ['aGVsbG8=', '!'],
  Source: ['/tmp', 'data'],
  Target: ['/data', '/tmp'],
  Constraints: ['node.role==manager', 'node.labels.x!=1'],
};

/** What hardly any request says, because with it nearly nothing else is looked at. */
const rareFields = new Set([
  'ConfigFrom',
  'ConfigOnly',
  'CredentialSpec',
  'Ingress',
  'NetworkAttachmentSpec',
  'Networks',
  'PluginSpec',
  'Runtime',
]);
const rareShare = 0.02;
const usualFields = new Set(['Name', 'TaskTemplate', 'ContainerSpec', 'Image']);
const usualShare = 0.95;
const itemsMax = 3;

/** Makes bodies of a shape: mostly as they should be, now and then with something wrong. */
export class Values {
  readonly #chance: Chance;
  readonly #known: Known;
  /** How often a value is not what the shape says, from 0 to 1. */
  readonly #wrong: number;
  /** How many of the fields that may be left out are there, from 0 to 1. */
  readonly #fullness: number;

  constructor(chance: Chance, known: Known, wrong: number) {
    this.#chance = chance;
    this.#known = known;
    this.#wrong = wrong;
    this.#fullness = chance.of([0.03, 0.1, 0.3, 0.6]);
  }

  of(shape: Shape, field = ''): unknown {
    const chance = this.#chance;
    if (chance.is(this.#wrong)) return this.#odd();
    if (typeof shape === 'string') return this.#scalar(shape, field);
    if (Array.isArray(shape)) {
      const [item] = shape as readonly [Shape];
      return Array.from({ length: chance.below(itemsMax) }, () => this.of(item, field));
    }
    const entries: [string, unknown][] = [];
    for (const [key, inner] of Object.entries(this.#chosen(shape as Fields, field))) {
      const name = key === '*' ? this.text('') : key;
      entries.push([name, this.of(inner, key)]);
    }
    if (chance.is(this.#wrong)) entries.push([chance.of(oddTexts), this.#odd()]);
    return Object.fromEntries(entries);
  }

  /** Most fields are left out by most requests; of modes there is one. */
  #chosen(fields: Fields, field: string): Fields {
    const chance = this.#chance;
    const all = Object.entries(fields);
    if (field === 'Mode' && chance.is(0.9)) return Object.fromEntries([chance.of(all)]);
    return Object.fromEntries(
      all.filter(([key]) => {
        if (rareFields.has(key)) return chance.is(rareShare);
        return chance.is(usualFields.has(key) ? usualShare : this.#fullness);
      }),
    );
  }

  #scalar(shape: string, field: string): unknown {
    const chance = this.#chance;
    switch (shape) {
      case 's':
        return this.text(field);
      case 'b':
        return chance.is(0.5);
      case 'i':
      case 'n':
        return chance.is(0.6) ? chance.below(5) : chance.of(oddNumbers);
      default:
        return chance.of(shape.split('|'));
    }
  }

  text(field: string): string {
    const chance = this.#chance;
    const good = goodTexts[field] ?? [`n${chance.below(40)}`];
    if (chance.is(this.#wrong)) return chance.of(oddTexts);
    return chance.is(0.2) && this.#known.names.length > 0
      ? chance.of(this.#known.names)
      : chance.of(good);
  }

  #odd(depth = 0): unknown {
    const chance = this.#chance;
    const simple: readonly unknown[] = [null, true, false, [], {}, chance.of(oddTexts)];
    if (depth < 3 && chance.is(0.2)) return [this.#odd(depth + 1), this.#odd(depth + 1)];
    if (depth < 3 && chance.is(0.2)) return { [chance.of(oddTexts)]: this.#odd(depth + 1) };
    return chance.is(0.4) ? chance.of(oddNumbers) : chance.of(simple);
  }
}
