import { BlockList, isIP, isIPv6 } from 'node:net';
import type { Node } from './objects.ts';
import type { Labels } from './spec.ts';

/** One placement constraint: `node.labels.disk==ssd`. */
export interface Constraint {
  /** As written; only the part after `node.labels.` and `engine.labels.` minds upper and lower case. */
  readonly key: string;
  readonly equal: boolean;
  readonly value: string;
}

export type ParsedConstraints =
  | { readonly kind: 'constraints'; readonly constraints: readonly Constraint[] }
  /** `message` is Swarm's. */
  | { readonly kind: 'invalid'; readonly message: string };

const keyPattern = /^[a-z_][a-z0-9\-_.]+$/i;
const valuePattern = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i;

/** Reads a list of constraints; all must hold. `==` is looked for before `!=`, as in Swarm. */
export function parseConstraints(texts: readonly string[]): ParsedConstraints {
  const constraints: Constraint[] = [];
  for (const text of texts) {
    const operator = ['==', '!='].find((candidate) => text.includes(candidate));
    if (operator === undefined)
      return {
        kind: 'invalid',
        message: 'constraint expected one operator from ==, !=',
      };
    const at = text.indexOf(operator);
    const key = text.slice(0, at).trim();
    const value = text.slice(at + operator.length).trim();
    if (!keyPattern.test(key)) return { kind: 'invalid', message: `key '${key}' is invalid` };
    if (!valuePattern.test(value))
      return { kind: 'invalid', message: `value '${value}' is invalid` };
    constraints.push({ key, equal: operator === '==', value });
  }
  return { kind: 'constraints', constraints };
}

const nodeLabels = 'node.labels.';
const engineLabels = 'engine.labels.';

/** True when the node meets all constraints. A label that is not there counts as empty. */
export function matchesConstraints(constraints: readonly Constraint[], node: Node): boolean {
  return constraints.every((constraint) => matches(constraint, node));
}

function matches({ key, equal, value }: Constraint, node: Node): boolean {
  const name = key.toLowerCase();
  if (name === 'node.ip') return matchesAddress(node.status.addr, value, equal);
  const actual = factOf(node, key, name);
  if (actual === undefined) return false;
  const form = name === 'node.platform.arch' ? architecture : (text: string) => text.toLowerCase();
  return (form(actual) === form(value)) === equal;
}

const architectures: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
]);

/** Engines say what the kernel says; people, and images, use Go's names. */
function architecture(text: string): string {
  const name = text.toLowerCase();
  return architectures.get(name) ?? name;
}

/** What the node has under the key; undefined for keys that nobody knows, which never match. */
function factOf(node: Node, key: string, name: string): string | undefined {
  switch (name) {
    case 'node.id':
      return node.id;
    case 'node.hostname':
      return node.description?.Hostname ?? '';
    case 'node.role':
      return node.role;
    case 'node.platform.os':
      return node.description?.Platform.OS ?? '';
    case 'node.platform.arch':
      return node.description?.Platform.Architecture ?? '';
    default:
      return name.startsWith(nodeLabels) || name.startsWith(engineLabels)
        ? spreadValue(node, key)
        : undefined;
  }
}

/**
 * False when some constraint may tell the two apart: it may look at everything that is compared here. The
 * state machine asks this of whatever was written, so that nothing within may be taken for granted.
 */
export function isSameToConstraints(one: Node, other: Node): boolean {
  const a = one.description;
  const b = other.description;
  return (
    one.role === other.role &&
    one.status.addr === other.status.addr &&
    a?.Hostname === b?.Hostname &&
    a?.Platform?.OS === b?.Platform?.OS &&
    a?.Platform?.Architecture === b?.Platform?.Architecture &&
    areSame(one.spec.Labels, other.spec.Labels) &&
    areSame(a?.Engine?.Labels, b?.Engine?.Labels)
  );
}

function areSame(one: Labels | undefined, other: Labels | undefined): boolean {
  const some = one ?? {};
  const others = other ?? {};
  const names = Object.keys(some);
  return (
    names.length === Object.keys(others).length &&
    names.every((name) => Object.hasOwn(others, name) && some[name] === others[name])
  );
}

function labelOf(labels: Labels | undefined, key: string): string {
  return labels !== undefined && Object.hasOwn(labels, key) ? (labels[key] ?? '') : '';
}

/** What the node says under a spread descriptor (`node.labels.zone`); empty for any other text. */
export function spreadValue(node: Node, descriptor: string): string {
  const name = descriptor.toLowerCase();
  if (name.startsWith(nodeLabels))
    return labelOf(node.spec.Labels, descriptor.slice(nodeLabels.length));
  if (name.startsWith(engineLabels))
    return labelOf(node.description?.Engine.Labels, descriptor.slice(engineLabels.length));
  return '';
}

/** `value` is an address or a subnet (`10.0.0.0/8`); one that is neither matches nothing. */
function matchesAddress(address: string, value: string, equal: boolean): boolean {
  const [base = '', bits, ...rest] = value.split('/');
  if (isIP(base) === 0 || rest.length > 0) return false;
  const most = isIPv6(base) ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  if (bits === '' || !Number.isInteger(prefix) || prefix < 0 || prefix > most) return false;
  if (isIP(address) === 0) return !equal;
  const list = new BlockList();
  list.addSubnet(base, prefix, isIPv6(base) ? 'ipv6' : 'ipv4');
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') === equal;
}
