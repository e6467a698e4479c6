import type { Command } from 'commander';
import { z } from 'zod';
import { askApi } from '../host/docker-socket.ts';
import { CommandError, formatTable, type Terminal } from '../terminal.ts';
import { jsonOption, socketOption } from './socket-option.ts';

const answerSchema = z.object({
  settings: z.array(
    z.object({
      name: z.string(),
      value: z.string().nullable(),
      fallback: z.string(),
      about: z.string(),
    }),
  ),
});
type Settings = z.output<typeof answerSchema>['settings'];

interface Options {
  readonly socket: string;
  readonly json: boolean;
}

const path = '/shoal/v1/settings';

export function settingsTable(settings: Settings): string {
  return formatTable([
    ['SETTING', 'VALUE', 'DEFAULT', 'MEANING'],
    ...settings.map(({ name, value, fallback, about }) => [name, value ?? '-', fallback, about]),
  ]);
}

/** `name=value` as the change it asks for; `name=` takes the setting back. @throws CommandError */
export function settingChange(texts: readonly string[]): Readonly<Record<string, string | null>> {
  const change: Record<string, string | null> = {};
  for (const text of texts) {
    const [, name, value = ''] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (name === undefined)
      throw new CommandError(`${text} does not do: must look like shoal.rebalance=true`, 2);
    change[name] = value === '' ? null : value;
  }
  return change;
}

/** Adds `settings`. */
export function addSettingsCommands(shoal: Command, terminal: Terminal): void {
  const show = (answer: unknown, json: boolean): void =>
    terminal.print(
      json
        ? JSON.stringify(answer, undefined, 2)
        : settingsTable(answerSchema.parse(answer).settings),
    );
  const command = shoal
    .command('settings')
    .description("show the cluster's settings, which labels of services overrule")
    .enablePositionalOptions()
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async ({ socket, json }: Options) => show(await askApi(socket, 'GET', path), json));
  command
    .command('set')
    .description('change settings: name=value; name= goes back to the default')
    .argument('<name=value...>')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (texts: readonly string[], { socket, json }: Options) =>
      show(await askApi(socket, 'PUT', path, settingChange(texts)), json),
    );
}
