import { isStopped, stoppedLabel } from '@shoal/state';
import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import type { Terminal } from '../terminal.ts';
import { socketOption } from './socket-option.ts';

const service = z.object({
  ID: z.string(),
  Version: z.object({ Index: z.number() }),
  Spec: z.looseObject({ Name: z.string(), Labels: z.record(z.string(), z.string()).nullish() }),
});
const warnings = z.object({ Warnings: z.array(z.string()).nullish() });

/** Takes the tasks of services away, or brings them back. @throws CommandError */
export async function setStopped(
  stopped: boolean,
  names: readonly string[],
  socket: string,
  terminal: Terminal,
): Promise<void> {
  for (const name of names) {
    const path = `/services/${encodeURIComponent(name)}`;
    const { ID, Version, Spec } = service.parse(await askApi(socket, 'GET', path));
    const { [stoppedLabel]: _, ...labels } = Spec.Labels ?? {};
    if (isStopped(Spec.Labels ?? {}) === stopped) {
      terminal.say(`${Spec.Name} is ${stopped ? 'stopped' : 'started'} already`);
      continue;
    }
    const Labels = stopped ? { ...labels, [stoppedLabel]: 'true' } : labels;
    const update = `/services/${ID}/update?version=${Version.Index}`;
    const told = await askApi(socket, 'POST', update, { ...Spec, Labels });
    for (const warning of warnings.parse(told).Warnings ?? []) terminal.say(warning);
    terminal.print(stopped ? `${Spec.Name} stops` : `${Spec.Name} starts`);
  }
}

/** Adds `stop` and `start`. */
export function addStopCommands(shoal: Command, terminal: Terminal): void {
  const verbs = [
    ['stop', true, 'take the tasks of services away; all else of them stays'],
    ['start', false, 'bring back the tasks of services that were stopped'],
  ] as const;
  for (const [verb, stopped, description] of verbs)
    shoal
      .command(verb)
      .description(description)
      .argument('<service...>')
      .addOption(socketOption())
      .action((names: string[], options: { socket: string }) =>
        setStopped(stopped, names, options.socket, terminal),
      );
}
