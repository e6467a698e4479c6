import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const host = z.object({ ID: z.string(), Hostname: z.string() });
const verdict = z.enum(['ok', 'differs', 'unknown']);

const drift = z.object({
  Hosts: z.array(
    z.object({
      Network: z.object({ ID: z.string(), Name: z.string() }),
      Host: host,
      Names: verdict,
      Balancer: verdict,
      Peers: verdict,
      DiffersMs: z.number(),
      Repairs: z.number(),
      Problems: z.array(z.string()),
    }),
  ),
  Gaps: z.array(z.string()),
});

const matrix = z.object({
  Pairs: z.array(
    z.object({
      From: host,
      To: host,
      Path: z.string(),
      OK: z.boolean(),
      Cause: z.string(),
    }),
  ),
  Gaps: z.array(z.string()),
});

interface Options {
  readonly socket: string;
  readonly json: boolean;
}

/** Shows what hosts serve beside what the log implies. Fails when something differs. */
export async function verifyNetworks(
  network: string | undefined,
  { socket, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const query = network === undefined ? '' : `?network=${encodeURIComponent(network)}`;
  const answer = await askApi(socket, 'GET', `/shoal/v1/net/verify${query}`);
  const { Hosts, Gaps } = drift.parse(answer);
  if (json) terminal.print(JSON.stringify(answer, undefined, 2));
  else {
    terminal.print(
      formatTable([
        ['NETWORK', 'HOST', 'NAMES', 'BALANCER', 'PEERS', 'FOR', 'REPAIRS'],
        ...Hosts.map((one) => [
          one.Network.Name,
          one.Host.Hostname,
          one.Names,
          one.Balancer,
          one.Peers,
          one.DiffersMs === 0 ? '' : `${(one.DiffersMs / 1_000).toFixed(1)}s`,
          String(one.Repairs),
        ]),
      ]),
    );
    for (const one of Hosts) {
      for (const text of one.Problems) terminal.say(`${one.Host.Hostname}: ${text}`);
    }
    for (const gap of Gaps) terminal.say(gap);
  }
  const differ = Hosts.filter((one) => one.DiffersMs > 0);
  if (differ.length === 0) return;
  throw new CommandError(`${differ.length} of ${Hosts.length} differ from what the log implies`);
}

/** Shows which hosts cannot reach which, by what path and why. Fails when some cannot, or could not be asked. */
export async function checkNetworks(
  all: boolean,
  { socket, json }: Options,
  terminal: Terminal,
): Promise<void> {
  const answer = await askApi(socket, 'POST', '/shoal/v1/net/check', {});
  const { Pairs, Gaps } = matrix.parse(answer);
  const failed = Pairs.filter(({ OK }) => !OK);
  if (json) terminal.print(JSON.stringify(answer, undefined, 2));
  else {
    const shown = all ? Pairs : failed;
    if (shown.length > 0) {
      terminal.print(
        formatTable([
          ['FROM', 'TO', 'PATH', 'RESULT'],
          ...shown.map(({ From, To, Path, OK, Cause }) => [
            From.Hostname,
            To.Hostname,
            Path,
            OK ? 'ok' : Cause,
          ]),
        ]),
      );
    }
    for (const gap of Gaps) terminal.say(gap);
    if (Gaps.length === 0 && failed.length === 0)
      terminal.say(
        Pairs.length === 0
          ? 'there is no other host, and so no path between hosts'
          : `all ${Pairs.length} paths between hosts work`,
      );
  }
  const fault = pathFault(Pairs.length, failed.length, Gaps.length > 0);
  if (fault !== undefined) throw new CommandError(fault);
}

/** What is wrong with the paths that were tried, or that some were not; undefined when nothing is. */
function pathFault(tried: number, failed: number, hasGaps: boolean): string | undefined {
  if (failed > 0)
    return `${failed} of ${tried} paths between hosts ${hasGaps ? 'that could be tried ' : ''}do not work`;
  if (!hasGaps) return undefined;
  return tried === 0
    ? 'no path between hosts could be tried'
    : `all ${tried} paths between hosts that could be tried work; others could not be tried`;
}

/** Adds `net verify` and `net check`. */
export function addNetCommands(shoal: Command, terminal: Terminal): void {
  const net = shoal.command('net').description('look at the overlay networks');
  net
    .command('verify')
    .description('compare what each host serves with what the log implies')
    .argument('[network]')
    .addOption(jsonOption())
    .addOption(socketOption())
    .action((network: string | undefined, options: Options) =>
      verifyNetworks(network, options, terminal),
    );
  net
    .command('check')
    .description('try every path between all hosts: gossip, tunnels with full packets')
    .option('--all', 'show the paths that work too', false)
    .addOption(jsonOption())
    .addOption(socketOption())
    .action((options: Options & { readonly all: boolean }) =>
      checkNetworks(options.all, options, terminal),
    );
}
