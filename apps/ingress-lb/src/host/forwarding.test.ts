import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { expect, test } from 'vitest';
import { allowForwarding, forbidForwarding } from './forwarding.ts';

type Tables = Readonly<Record<string, { readonly policy: string; readonly engine: boolean }>>;

/** Tables of `iptables` and of the other variant, each with its own rules. */
class FakeFirewall implements KernelCommands {
  readonly rules = new Set<string>();
  /** What each name of the program leads to. */
  readonly #names: Readonly<Record<string, string>>;
  readonly #tables: Tables;

  constructor(plain: string, tables: Tables) {
    const both = ['iptables', 'ip6tables'].flatMap((family) => [
      [family, `${family}-${plain}`],
      [`${family}-legacy`, `${family}-legacy`],
      [`${family}-nft`, `${family}-nft`],
    ]);
    this.#names = Object.fromEntries(both);
    this.#tables = tables;
  }

  async run({ program, args }: Command): Promise<CommandOutcome> {
    const variant = this.#names[program] ?? '';
    const table = this.#tables[variant];
    const [, action = '', ...rest] = args;
    const failed = { kind: 'failed', message: program, stderr: '', stdout: '' } as const;
    if (table === undefined) return failed;
    const done = (good: boolean, stdout = ''): CommandOutcome =>
      good ? { kind: 'done', stdout } : failed;
    const rule = `${variant} ${rest.join(' ')}`;
    if (action === '-n') return done(table.engine);
    if (action === '-S') return done(true, `-P FORWARD ${table.policy}\n`);
    if (rest[0] === 'DOCKER-USER' && !table.engine) return failed;
    if (action === '-C') return done(this.rules.has(rule));
    if (action === '-D') return done(this.rules.delete(rule));
    this.rules.add(rule);
    return done(true);
  }

  /** Variant and chain of each rule. */
  get places(): readonly string[] {
    const places = [...this.rules].map((rule) => rule.split(' ').slice(0, 2).join(' '));
    return [...new Set(places)].sort();
  }
}

const open = { policy: 'ACCEPT', engine: false };
const drops = { policy: 'DROP', engine: false };
const engine = { policy: 'DROP', engine: true };

test.each<[string, string, Tables, readonly string[]]>([
  ['no iptables', 'nft', {}, []],
  ['nothing that drops', 'nft', { 'iptables-nft': open, 'iptables-legacy': open }, []],
  [
    'an engine with the variant of the plain name',
    'nft',
    { 'iptables-nft': engine, 'iptables-legacy': open },
    ['iptables-nft DOCKER-USER'],
  ],
  [
    'an engine with the older variant',
    'nft',
    { 'iptables-nft': open, 'iptables-legacy': engine },
    ['iptables-legacy DOCKER-USER'],
  ],
  [
    'an engine with the newer variant',
    'legacy',
    { 'iptables-nft': engine, 'iptables-legacy': drops },
    ['iptables-nft DOCKER-USER'],
  ],
  [
    'no engine’s chain, and the older variant drops',
    'nft',
    { 'iptables-nft': open, 'iptables-legacy': drops },
    ['iptables-legacy FORWARD'],
  ],
  [
    'another variant for IPv6',
    'nft',
    { 'iptables-nft': engine, 'ip6tables-nft': open, 'ip6tables-legacy': engine },
    ['ip6tables-legacy DOCKER-USER', 'iptables-nft DOCKER-USER'],
  ],
])('the link passes the firewall: %s', async (_what, plain, tables, expected) => {
  const firewall = new FakeFirewall(plain, tables);
  for (let time = 0; time < 2; time += 1) {
    expect(await allowForwarding(firewall, undefined, 'shoal-in', true)).toBeUndefined();
    expect(firewall.places).toEqual(expected);
    expect(firewall.rules.size).toBe(expected.length * 2);
  }
  await forbidForwarding(firewall, undefined, 'shoal-in');
  expect(firewall.places).toEqual([]);
});
