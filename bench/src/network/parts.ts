import { balancingTable, measureBalancing } from '../balancing/balancing-result.ts';
import { balancingMissing } from '../balancing/programs.ts';
import { dnsTable, measureDns } from '../dns/dns-result.ts';
import { dnsMissing } from '../dns/servers.ts';
import { measureStarts, startMissing, startTable } from './container-start.ts';

/** One thing that is measured about networks. */
export interface Part {
  /** Of its section in `RESULTS.md`, and its key in the JSON line. */
  readonly name: string;
  /** One sentence for people when it cannot be measured here. */
  readonly missing: () => string | undefined;
  /** The figures, and what they look like as Markdown. */
  readonly measure: (rounds: number) => Promise<Measured>;
}

export interface Measured {
  readonly result: unknown;
  readonly table: string;
}

/** In the order they are measured in: one after the other, because each wants the machine for itself. */
export const parts: readonly Part[] = [
  {
    name: 'dns',
    missing: dnsMissing,
    async measure(rounds) {
      const result = await measureDns(rounds);
      return { result, table: dnsTable(result) };
    },
  },
  {
    name: 'balancing',
    missing: balancingMissing,
    async measure(rounds) {
      const result = await measureBalancing(rounds);
      return { result, table: balancingTable(result) };
    },
  },
  {
    name: 'container-start',
    missing: startMissing,
    async measure(rounds) {
      const result = await measureStarts(rounds);
      return { result, table: startTable(result) };
    },
  },
];
