import { hostname } from 'node:os';
import { parseHostPort } from '@shoal/runtime';
import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import type { Terminal } from '../terminal.ts';
import { socketOption } from './socket-option.ts';

const keyAnswer = z.object({ Address: z.string(), Key: z.string(), HoldsSeconds: z.number() });

/** Prints an address that opens this host's dashboard in one browser. @throws CommandError */
export async function dashboard(socket: string, terminal: Terminal): Promise<void> {
  const answer = keyAnswer.parse(await askApi(socket, 'POST', '/shoal/v1/dashboard/keys'));
  const { Address, Key, HoldsSeconds } = answer;
  const port = parseHostPort(Address)?.port ?? Address;
  // Behind the #, which browsers keep to themselves.
  terminal.print(`http://${Address}/#key=${Key}`);
  terminal.say(`it opens once, within ${Math.round(HoldsSeconds / 60)} minutes`);
  terminal.say(`from another computer, first: ssh -L ${port}:${Address} ${hostname()}`);
}

/** Adds `dashboard`. */
export function addDashboardCommand(shoal: Command, terminal: Terminal): void {
  shoal
    .command('dashboard')
    .description('print an address that shows the swarm in a browser')
    .addOption(socketOption())
    .action(({ socket }: { socket: string }) => dashboard(socket, terminal));
}
